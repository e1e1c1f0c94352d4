/* A device in a terminal:
 *
 *     ./device --broker 127.0.0.1:1883 --root root.pub.pem --cell 85… --state FILE [--tls ca.pem]
 *
 * --steps reads test vectors instead: lines of "TIME_US TOPIC PAYLOAD" from the standard input, and
 * prints for each how many things were done. */
#include <math.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

static struct device device;
static const char *state;

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

/* A file half written is never seen. */
static void remember(void)
{
    char other[4096];
    FILE *file = NULL;
    if (!state || snprintf(other, sizeof other, "%s.new", state) >= (int)sizeof other) return;
    if ((file = fopen(other, "w")) == NULL) return;
    fprintf(file, "%.0f %s\n", device.serial, device.signature);
    if (!fclose(file)) rename(other, state);
}

static void show(const struct action *action, void *context)
{
    (void)context;
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(action->message, "event_id");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(action->message, "version");
    if (!strcmp(action->what, "trust")) {
        remember();
        printf("{\"do\": \"trust\", \"serial\": %.0f}\n", device.serial);
    } else if (strcmp(action->what, "time")) {
        printf("{\"do\": \"%s\", \"event_id\": \"%s\", \"version\": %.0f, \"is_drill\": %s",
               action->what, cJSON_GetStringValue(id), version->valuedouble,
               action->is_drill ? "true" : "false");
        if (action->level)
            printf(", \"level\": \"%s\", \"sounds\": %s, \"left_s\": %.1f", action->level,
                   action->sounds ? "true" : "false", action->left_s);
        printf("}\n");
    }
    fflush(stdout);
}

static void ignore(const struct action *action, void *context)
{
    (void)action;
    (void)context;
}

static void on_connect(struct mosquitto *client, void *context, int code)
{
    char topic[128];
    (void)context;
    if (code) return;
    snprintf(topic, sizeof topic, "ew/v1/alert/%s/%s", device.kind, device.name);
    mosquitto_subscribe(client, NULL, "ew/v1/keys", 1); /* first, that a kept alert finds them */
    mosquitto_subscribe(client, NULL, "ew/v1/heartbeat", 0);
    mosquitto_subscribe(client, NULL, topic, 1);
}

static void on_message(struct mosquitto *client, void *context,
                       const struct mosquitto_message *message)
{
    (void)client;
    (void)context;
    device_take(&device, message->topic, message->payload ? message->payload : "",
                (size_t)message->payloadlen, now_us(), show, NULL);
}

static int steps(void)
{
    static char line[KEYS_MOST + 512], topic[257];
    while (fgets(line, sizeof line, stdin)) {
        double at_us;
        int begin = 0;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%lf %256s %n", &at_us, topic, &begin) < 2 || !begin) return 2;
        const char *payload = line + begin;
        printf("%d\n",
               device_take(&device, topic, payload, strlen(payload), at_us, ignore, NULL));
    }
    return 0;
}

static int add_root(const char *path)
{
    char pem[4096] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    pem[fread(pem, 1, sizeof pem - 1, file)] = '\0';
    fclose(file);
    return device_add_root(&device, pem);
}

int main(int count, char **words)
{
    char host[256] = "127.0.0.1", shown[64] = "", line[64];
    const char *user = NULL, *ca = NULL;
    int port = 1883, is_test = 0;
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *value = i + 1 < count ? words[i + 1] : "";
        if (!strcmp(word, "--steps")) {
            is_test = 1;
            continue;
        }
        i++;
        if (!strcmp(word, "--broker") && sscanf(value, "%255[^:]:%d", host, &port) > 0) continue;
        if (!strcmp(word, "--root") && add_root(value)) continue;
        if (!strcmp(word, "--cell") || !strcmp(word, "--device"))
            device.kind = word + 2, device.name = value;
        else if (!strcmp(word, "--state")) state = value;
        else if (!strcmp(word, "--user")) user = value;
        else if (!strcmp(word, "--tls")) ca = value;
        else return fprintf(stderr, "device: %s %s\n", word, value), 2;
    }
    if (!device.root_count || !device.name || sodium_init() < 0) {
        fprintf(stderr, "device: --root FILE and --cell or --device are needed\n");
        return 2;
    }
    FILE *file = state ? fopen(state, "r") : NULL;
    if (file) {
        if (fscanf(file, "%lf %89s", &device.serial, device.signature) < 2) device.serial = 0;
        fclose(file);
    }
    if (is_test) {
        int code = steps();
        device_free(&device);
        return code;
    }
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new(NULL, true, NULL);
    if (user) mosquitto_username_pw_set(client, user, getenv("EW_BROKER_PASSWORD"));
    if (ca && mosquitto_tls_set(client, ca, NULL, NULL, NULL, NULL))
        return fprintf(stderr, "device: %s\n", ca), 2;
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_message_callback_set(client, on_message);
    while (mosquitto_connect(client, host, port, 15)) sleep(1);
    for (;;) {
        double left_s = 0;
        if (mosquitto_loop(client, 100, 1)) {
            sleep(1);
            mosquitto_reconnect(client);
        }
        const cJSON *alert = device_countdown(&device, now_us(), &left_s);
        const cJSON *status = cJSON_GetObjectItemCaseSensitive(alert, "status");
        const char *mark = alert && strcmp(status->valuestring, "actual") ? "EXERCISE " : "";
        line[0] = '\0';
        if (alert && left_s > 0) snprintf(line, sizeof line, "%s%.0f s", mark, floor(left_s));
        else if (alert) snprintf(line, sizeof line, "%sshaking", mark);
        if (*line && strcmp(line, shown)) printf("%s\n", line), fflush(stdout);
        strcpy(shown, line);
    }
}
