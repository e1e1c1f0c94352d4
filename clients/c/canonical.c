/* JSON in its canonical form (RFC 8785): members in order, no blanks, numbers as ECMAScript has
 * them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

struct text {
    char *bytes;
    size_t length, room;
};

static void put(struct text *text, const char *bytes, size_t length)
{
    if (text->length + length + 1 > text->room) {
        text->room = 2 * text->room + length + 256;
        text->bytes = realloc(text->bytes, text->room);
        if (text->bytes == NULL) abort(); /* a device without memory starts anew */
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

static void put_string(struct text *text, const char *string)
{
    static const char plain[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
    put(text, "\"", 1);
    for (; *string; string++) {
        const char *found = strchr(plain, *string);
        char escape[8];
        if (found)
            put(text, escape,
                (size_t)snprintf(escape, sizeof escape, "\\%c", letters[found - plain]));
        else if ((unsigned char)*string < 0x20)
            put(text, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", *string));
        else
            put(text, string, 1);
    }
    put(text, "\"", 1);
}

/* The shortest digits that are this number, laid out as ECMA-262 (Number::toString) says. */
static void put_number(struct text *text, double value)
{
    char e[32], digits[20], out[64];
    if (value == 0) { /* minus zero as well */
        put(text, "0", 1);
        return;
    }
    if (value < 0) put(text, "-", 1);
    value = fabs(value);
    for (int precision = 0; precision < 17; precision++) {
        snprintf(e, sizeof e, "%.*e", precision, value);
        if (strtod(e, NULL) == value) break;
    }
    int count = 0, point = atoi(strchr(e, 'e') + 1) + 1;
    for (const char *c = e; *c != 'e'; c++)
        if (*c != '.') digits[count++] = *c;
    while (count > 1 && digits[count - 1] == '0') count--;
    if (count <= point && point <= 21)
        snprintf(out, sizeof out, "%.*s%.*s", count, digits, point - count,
                 "000000000000000000000");
    else if (0 < point && point <= 21)
        snprintf(out, sizeof out, "%.*s.%.*s", point, digits, count - point, digits + point);
    else if (-6 < point && point <= 0)
        snprintf(out, sizeof out, "0.%.*s%.*s", -point, "000000", count, digits);
    else
        snprintf(out, sizeof out, "%c%s%.*se%+d", digits[0], count > 1 ? "." : "", count - 1,
                 digits + 1, point - 1);
    put(text, out, strlen(out));
}

static int by_name(const void *one, const void *other)
{
    /* Bytes of UTF-8 are in the order of UTF-16 but beyond U+FFFF, where no name of ours is */
    return strcmp((*(cJSON *const *)one)->string, (*(cJSON *const *)other)->string);
}

static void put_value(struct text *text, const cJSON *value, const char *left_out)
{
    if (cJSON_IsString(value)) {
        put_string(text, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        put_number(text, value->valuedouble);
    } else if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
        int is_object = cJSON_IsObject(value), count = 0;
        const cJSON **members = calloc((size_t)cJSON_GetArraySize(value) + 1, sizeof *members);
        if (members == NULL) abort();
        const cJSON *member;
        cJSON_ArrayForEach(member, value)
            if (!is_object || !left_out || strcmp(member->string, left_out))
                members[count++] = member;
        if (is_object) qsort(members, (size_t)count, sizeof *members, by_name);
        put(text, is_object ? "{" : "[", 1);
        for (int i = 0; i < count; i++) {
            if (i) put(text, ",", 1);
            if (is_object) {
                put_string(text, members[i]->string);
                put(text, ":", 1);
            }
            put_value(text, members[i], NULL);
        }
        put(text, is_object ? "}" : "]", 1);
        free(members);
    } else {
        const char *word = cJSON_IsTrue(value) ? "true" : cJSON_IsFalse(value) ? "false" : "null";
        put(text, word, strlen(word));
    }
}

char *canonical(const cJSON *message)
{
    struct text text = {0};
    put_value(&text, message, "signature");
    return text.bytes;
}
