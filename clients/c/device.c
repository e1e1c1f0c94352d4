#include "device.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SHAKING_US = 30e6, NOTICE = 2.0, FULL = 3.0; /* of a phone */
static const unsigned char DER[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                    0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}; /* RFC 8410 */

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

/* A member that is missing or no number is none: every comparison with it fails. */
static double number_of(const cJSON *object, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(found) ? found->valuedouble : NAN;
}

static int is_base64url(const char *text, unsigned char *bytes, size_t length)
{
    size_t got;
    const char *end;
    return !sodium_base642bin(bytes, length, text, strlen(text), NULL, &got, &end,
                              sodium_base64_VARIANT_URLSAFE_NO_PADDING) &&
           got == length && *end == '\0';
}

static int is_signed_by(const cJSON *message, const unsigned char *key)
{
    unsigned char signature[crypto_sign_BYTES];
    if (!is_base64url(text_of(message, "signature"), signature, sizeof signature)) return 0;
    char *text = canonical(message);
    int wrong = crypto_sign_verify_detached(signature, (unsigned char *)text, strlen(text), key);
    free(text);
    return !wrong;
}

int device_add_root(struct device *device, const char *pem)
{
    unsigned char der[sizeof DER + crypto_sign_PUBLICKEYBYTES];
    size_t got;
    const char *begin = strstr(pem, "-----BEGIN PUBLIC KEY-----");
    if (!begin || device->root_count == ROOTS) return 0;
    begin += strlen("-----BEGIN PUBLIC KEY-----");
    if (sodium_base642bin(der, sizeof der, begin, strcspn(begin, "-"), "\r\n ", &got, NULL,
                          sodium_base64_VARIANT_ORIGINAL) ||
        got != sizeof der || memcmp(der, DER, sizeof DER))
        return 0;
    memcpy(device->roots[device->root_count++], der + sizeof DER, crypto_sign_PUBLICKEYBYTES);
    return 1;
}

/* Whether a key of the document, valid now and for this status, has signed the message. */
static int believes(const struct device *device, const cJSON *message, const char *status,
                    double now_us)
{
    unsigned char key[crypto_sign_PUBLICKEYBYTES];
    if (!device->document || !(now_us < number_of(device->document, "expires_us"))) return 0;
    const cJSON *entry, *one;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(device->document, "keys")) {
        if (strcmp(text_of(entry, "key_id"), text_of(message, "key_id")) ||
            strcmp(text_of(entry, "algorithm"), "Ed25519"))
            continue;
        int may_sign = 0;
        cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(entry, "statuses"))
            may_sign |= cJSON_IsString(one) && !strcmp(one->valuestring, status);
        return may_sign && number_of(entry, "not_before_us") <= now_us &&
               now_us <= number_of(entry, "not_after_us") &&
               is_base64url(text_of(entry, "public_key"), key, sizeof key) &&
               is_signed_by(message, key);
    }
    return 0;
}

/* A document with a higher serial, signed by a root; the message is kept if it is taken. */
static int take_keys(struct device *device, cJSON *body)
{
    double serial = number_of(body, "serial");
    const char *signature = text_of(body, "signature");
    int is_known = serial == device->serial && !strcmp(signature, device->signature), is_ours = 0;
    if (number_of(body, "v") != 2 || !(serial > device->serial || is_known)) return 0;
    for (int i = 0; i < device->root_count && !is_ours; i++)
        is_ours = is_signed_by(body, device->roots[i]);
    if (!is_ours || strlen(signature) >= sizeof device->signature) return 0;
    if (serial > device->serial) device->newest_us = 0;
    cJSON_Delete(device->document);
    device->document = body; /* keys that are not in it are forgotten */
    device->serial = serial;
    strcpy(device->signature, signature);
    return 1;
}

/* A heartbeat never comes early: the largest offset counts, others move it slowly. */
static void set_clock(struct device *device, double offset_us, double own_us)
{
    double behind_us = device->offset_us - offset_us;
    if (device->has_time && behind_us > 2e6) {
        if (!device->is_behind) device->behind_since_us = own_us;
        device->is_behind = 1;
        if (own_us - device->behind_since_us >= 5e6) device->offset_us = offset_us;
        return;
    }
    if (!device->has_time || behind_us <= 0) device->offset_us = offset_us;
    else device->offset_us -= 0.2 * behind_us;
    device->has_time = 1;
    device->is_behind = 0;
}

static int take_heartbeat(struct device *device, const cJSON *body, double own_us)
{
    double told_us = number_of(body, "time_us");
    if (!believes(device, body, text_of(body, "mode"), told_us) ||
        !(told_us >= device->newest_us - 10e6))
        return 0; /* the last is a replay */
    if (told_us > device->newest_us) {
        device->newest_us = told_us;
        set_clock(device, told_us - own_us, own_us);
    }
    return 1;
}

/* Two origins of one earthquake: two services may name it before they hear each other. */
static int is_same_earthquake(const cJSON *one, const cJSON *other)
{
    double north = number_of(one, "latitude") - number_of(other, "latitude");
    double east = number_of(one, "longitude") - number_of(other, "longitude");
    east = (fmod(east + 540, 360) - 180) * cos(number_of(one, "latitude") * acos(-1) / 180);
    return fabs(number_of(one, "time_us") - number_of(other, "time_us")) <= 20e6 &&
           111.2 * hypot(north, east) <= 100 &&
           number_of(one, "magnitude") < number_of(other, "magnitude") + 1;
}

static struct event *event_of(struct device *device, const char *id)
{
    for (int i = 0; i < EVENTS; i++)
        if (!strcmp(device->events[i].id, id)) return &device->events[i];
    struct event *event = &device->events[device->next_event++ % EVENTS]; /* the oldest goes */
    cJSON_Delete(event->alert);
    cJSON_Delete(event->sounded);
    *event = (struct event){.version = 0};
    strcpy(event->id, id);
    return event;
}

static int take_alert(struct device *device, cJSON *alert, double own_us, struct action *action)
{
    const char *id = text_of(alert, "event_id"), *status = text_of(alert, "status");
    double version = number_of(alert, "version"), intensity = number_of(alert, "intensity");
    const cJSON *target = cJSON_GetObjectItemCaseSensitive(alert, "target");
    const cJSON *origin = cJSON_GetObjectItemCaseSensitive(alert, "origin");
    /* A signed alert can't come from the future: it moves the clock, once it is believed */
    double now_us = fmax(own_us + device->offset_us, number_of(alert, "issued_us"));
    if (!*id || strlen(id) >= sizeof device->events[0].id ||
        !believes(device, alert, status, now_us) ||
        strcmp(text_of(target, device->kind), device->name) ||
        !(now_us < number_of(alert, "expires_us")))
        return 0;
    struct event *event = event_of(device, id);
    if (!(version > event->version)) return 0; /* each version once, newer ones alone */
    device->offset_us = now_us - own_us;
    event->version = version;
    cJSON_Delete(event->alert);
    event->alert = NULL;
    action->is_drill = strcmp(status, "actual") != 0;
    action->what = "cancel";
    if (!strcmp(text_of(alert, "kind"), "cancel")) return 1;
    action->what = "alert";
    action->level = intensity >= FULL ? "full" : intensity >= NOTICE ? "notice" : "silent";
    action->left_s = (number_of(alert, "s_arrival_us") - now_us) / 1e6;
    int has_sounded = event->sounded != NULL;
    for (const struct event *one = device->events; one < device->events + EVENTS; one++)
        has_sounded |= one->sounded && is_same_earthquake(origin, one->sounded);
    action->sounds = intensity >= FULL && !has_sounded;
    if (intensity >= FULL) {
        cJSON_Delete(event->sounded);
        event->sounded = cJSON_Duplicate(origin, 1);
    }
    event->alert = cJSON_Duplicate(alert, 1);
    return 1;
}

int device_take(struct device *device, const char *topic, const char *payload, size_t length,
                double own_us, act_on *act, void *context)
{
    int is_keys = !strcmp(topic, "ew/v1/keys"), is_alert = !strncmp(topic, "ew/v1/alert/", 12);
    if (length > (is_keys ? KEYS_MOST : ALERT_MOST) || memchr(payload, 0, length)) return 0;
    char *text = calloc(length + 1, 1);
    if (text == NULL) return 0;
    memcpy(text, payload, length);
    if (is_alert && (!device->document || !device->has_time)) {
        if (device->waiting_count == WAITING) { /* the newest are kept */
            free(device->waiting[0]);
            memmove(device->waiting, device->waiting + 1, (WAITING - 1) * sizeof *device->waiting);
            device->waiting_count--;
        }
        device->waiting[device->waiting_count++] = text;
        return 0;
    }
    cJSON *body = cJSON_ParseWithOpts(text, NULL, 1);
    free(text);
    struct action action = {.what = is_keys ? "trust" : "time", .message = body};
    int is_taken = !cJSON_IsObject(body) ? 0
                   : is_keys             ? take_keys(device, body)
                   : is_alert            ? take_alert(device, body, own_us, &action)
                                         : take_heartbeat(device, body, own_us);
    int count = is_taken;
    if (is_taken) act(&action, context);
    if (body != device->document) cJSON_Delete(body);
    if (is_taken && device->document && device->has_time) {
        int waiting = device->waiting_count;
        device->waiting_count = 0;
        for (int i = 0; i < waiting; i++) {
            char *kept = device->waiting[i];
            count += device_take(device, "ew/v1/alert/kept", kept, strlen(kept), own_us, act,
                                 context);
            free(kept);
        }
    }
    return count;
}

const cJSON *device_countdown(struct device *device, double own_us, double *left_s)
{
    double now_us = own_us + device->offset_us;
    const cJSON *strongest = NULL;
    for (int i = 0; i < EVENTS; i++) {
        struct event *event = &device->events[i];
        if (event->alert && now_us - number_of(event->alert, "s_arrival_us") > SHAKING_US) {
            cJSON_Delete(event->alert);
            event->alert = NULL;
        }
        if (event->alert && !(strongest && number_of(strongest, "intensity") >=
                                               number_of(event->alert, "intensity")))
            strongest = event->alert;
    }
    if (strongest) *left_s = (number_of(strongest, "s_arrival_us") - now_us) / 1e6;
    return strongest;
}

void device_free(struct device *device)
{
    cJSON_Delete(device->document);
    for (int i = 0; i < EVENTS; i++) {
        cJSON_Delete(device->events[i].alert);
        cJSON_Delete(device->events[i].sounded);
    }
    for (int i = 0; i < device->waiting_count; i++) free(device->waiting[i]);
}
