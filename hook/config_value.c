/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See config_value.h. */
#include "hook/config_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fo_config_fail(const struct fo_place *place, const char *format, ...)
{
    char text[FO_CONFIG_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* Cut where it does not fit: "..." marks a cut text. */
    if (snprintf(place->error, FO_CONFIG_ERROR_MAX, "%s: %s", place->label, text) >=
        FO_CONFIG_ERROR_MAX)
        memcpy(place->error + FO_CONFIG_ERROR_MAX - 4, "...", 4);
    return -1;
}

int fo_config_refuse(const struct fo_place *place, const char *key, const json_t *value,
                     const char *right)
{
    if (value == NULL)
        return fo_config_fail(place, "%s is missing: %s", key, right);
    char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    const char *text = shown != NULL ? shown : "the value";
    fo_config_fail(place, "%s: %.*s%s is not allowed: %s", key, FO_SHOWN_MAX, text,
                   strlen(text) > FO_SHOWN_MAX ? "..." : "", right);
    free(shown);
    return -1;
}

static int refuse_key(const struct fo_place *place, const char *path, const char *key,
                      const json_t *value, const char *const allowed[])
{
    char full[2 * FO_SHOWN_MAX];
    snprintf(full, sizeof full, "%s%.*s", path, FO_SHOWN_MAX, key);
    const char *advice = fo_config_foreign_key(key);
    json_t *hidden = NULL;
    if (json_is_string(value)) /* it may be a secret under a mistyped key */
        value = hidden = json_string("...");
    char right[FO_CONFIG_ERROR_MAX] = "unknown key; ";
    if (advice != NULL) {
        snprintf(right, sizeof right, "%s", advice);
    } else {
        size_t length = strlen(right);
        for (size_t i = 0; allowed[i] != NULL && length < sizeof right; i++)
            length += (size_t)snprintf(right + length, sizeof right - length, "%s%s",
                                       i == 0 ? "the keys here are: " : ", ", allowed[i]);
    }
    fo_config_refuse(place, full, value, right);
    json_decref(hidden);
    return -1;
}

int fo_config_check_keys(const struct fo_place *place, const char *path, json_t *map,
                         const char *const allowed[])
{
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value) {
        size_t i = 0;
        while (allowed[i] != NULL && strcmp(allowed[i], key) != 0)
            i++;
        if (allowed[i] == NULL)
            return refuse_key(place, path, key, value, allowed);
        if (strcmp(key, "user-context") == 0 && !json_is_object(value))
            return fo_config_refuse(place, key, value, "must be a map");
        if (strcmp(key, "comment") == 0 && !json_is_string(value))
            return fo_config_refuse(place, key, value, "must be a string");
    }
    return 0;
}

int fo_config_read_number(const struct fo_place *place, const json_t *map,
                          struct fo_config_relationship *relationship,
                          const struct fo_config_number *number)
{
    uint32_t result = number->otherwise;
    const json_t *value = json_object_get(map, number->key);
    if (value != NULL) {
        json_int_t given = json_integer_value(value);
        if (!json_is_integer(value) || given < (json_int_t)number->least ||
            given > (json_int_t)number->most) {
            char right[FO_CONFIG_ERROR_MAX];
            snprintf(right, sizeof right, "must be a whole number from %u to %u%s (%s)",
                     number->least, number->most, number->unit, number->reason);
            return fo_config_refuse(place, number->key, value, right);
        }
        result = (uint32_t)given;
    }
    memcpy((char *)relationship + number->offset, &result, sizeof result);
    return 0;
}

int fo_config_read_word(const struct fo_place *place, const json_t *map,
                        struct fo_config_relationship *relationship,
                        const struct fo_config_word *word)
{
    const json_t *value = json_object_get(map, word->key);
    const char *given = json_is_string(value) ? json_string_value(value) : "";
    uint8_t number = word->otherwise;
    bool right = true;
    if (value != NULL && word->words == NULL) {
        number = json_is_true(value);
        right = json_is_boolean(value);
    } else if (value != NULL) {
        for (number = 0; word->words[number] != NULL; number++)
            if (strcmp(given, word->words[number]) == 0)
                break;
        right = word->words[number] != NULL;
    }
    memcpy((char *)relationship + word->offset, &number, sizeof number);
    return right ? 0 : fo_config_refuse(place, word->key, value, word->right);
}

int fo_config_read_name(const struct fo_place *place, const char *key, const json_t *value,
                        char name[FO_NAME_MAX + 1])
{
    const char *text = json_string_value(value);
    bool good = text != NULL && text[0] != '\0' && strlen(text) <= FO_NAME_MAX;
    for (size_t i = 0; good && text[i] != '\0'; i++)
        good = (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
    if (!good)
        return fo_config_refuse(place, key, value,
                                "must be a string of 1 to 255 bytes without control characters");
    strcpy(name, text);
    return 0;
}

/* Jansson passes over an allocation that fails in the middle of a string, and reads another string. So
   its allocations are watched. */
static _Thread_local bool ran_out;
static json_malloc_t allocate = malloc;

static void *watched(size_t size)
{
    void *memory = allocate(size);
    ran_out = ran_out || memory == NULL;
    return memory;
}

json_t *fo_config_load(const char *json, json_error_t *wrong)
{
    json_malloc_t present;
    json_free_t release;
    json_get_alloc_funcs(&present, &release);
    if (present != watched)
        allocate = present;
    ran_out = false;
    json_set_alloc_funcs(watched, release);
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, wrong);
    json_set_alloc_funcs(allocate, release);
    if (!ran_out)
        return root;
    wrong->text[0] = '\0';
    json_decref(root);
    return NULL;
}
