/* The smallest honest device in C: whom it believes, when it acts, what it counts down to.
 *
 * It has no socket and no clock: give device_take what arrives, in order. The long form is
 * docs/device-protocol.md. Times are microseconds since 1970 (UTC) in a double, which holds them
 * exactly until the year 2255. */
#ifndef EW_DEVICE_H
#define EW_DEVICE_H

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stddef.h>

enum { ROOTS = 4, EVENTS = 16, WAITING = 16, ALERT_MOST = 1024, KEYS_MOST = 65536 };

struct event {
    char id[97];
    double version;
    cJSON *alert;  /* what is counted down to; NULL: nothing (any more) */
    cJSON *sounded; /* the origin that sounded */
};

struct device {
    unsigned char roots[ROOTS][crypto_sign_PUBLICKEYBYTES];
    int root_count;
    const char *kind, *name; /* its target: "cell" and "85…", or "device" and its id */
    double serial;           /* of the newest document: to be kept over restarts, */
    char signature[90];      /* with its signature */
    cJSON *document;
    int has_time, is_behind;
    double offset_us, newest_us, behind_since_us; /* the service's time minus ours; heartbeats */
    struct event events[EVENTS];
    int next_event;
    char *waiting[WAITING]; /* alerts that came before keys or time were known */
    int waiting_count;
};

/* What is done about a message: "trust", "time", "alert" or "cancel". */
struct action {
    const char *what;
    const cJSON *message;
    const char *level; /* of an alert: "silent", "notice" or "full" */
    int sounds, is_drill;
    double left_s;
};
typedef void act_on(const struct action *action, void *context);

/* Believe this root, an Ed25519 public key in PEM; 0 if it is none. */
int device_add_root(struct device *device, const char *pem);
/* What is done about one message that came at own_us of the own clock; how often `act` was
 * called. */
int device_take(struct device *device, const char *topic, const char *payload, size_t length,
                double own_us, act_on *act, void *context);
/* The alert of the strongest earthquake that is not over, and seconds to its S-wave; or NULL. */
const cJSON *device_countdown(struct device *device, double own_us, double *left_s);
void device_free(struct device *device);

/* canonical.c: a message without its signature in the form that is signed (RFC 8785); to be
 * freed. */
char *canonical(const cJSON *message);

#endif
