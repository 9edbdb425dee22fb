/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Single values of the parameters, and the errors that name them. All functions that return an int
 * return 0, or -1 with a text in place->error: where, which key, which value, and what would be right.
 */
#ifndef FO_HOOK_CONFIG_VALUE_H
#define FO_HOOK_CONFIG_VALUE_H

#include <jansson.h>

#include "hook/config.h"
#include "hook/config_table.h"

enum { FO_SHOWN_MAX = 60 }; /* bytes of a value or name in an error: enough to find it */

/* Where the reader is, for its errors. */
struct fo_place {
    char *error;                   /* FO_CONFIG_ERROR_MAX bytes; a text that is cut ends with "..." */
    char label[FO_SHOWN_MAX + 24]; /* "relationship 'east'" */
};

/* These two return -1. `right` says what would be right; `value` NULL: it is missing. */
int fo_config_fail(const struct fo_place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int fo_config_refuse(const struct fo_place *place, const char *key, const json_t *value,
                     const char *right);

/* Refuses keys that a map must not have, and a user-context or comment of the wrong type. `path` stands
   before the key in the error, `allowed` ends with NULL. */
int fo_config_check_keys(const struct fo_place *place, const char *path, json_t *map,
                         const char *const allowed[]);

/* A key of the tables, or its default, into `relationship`. */
int fo_config_read_number(const struct fo_place *place, const json_t *map,
                          struct fo_config_relationship *relationship,
                          const struct fo_config_number *number);
int fo_config_read_word(const struct fo_place *place, const json_t *map,
                        struct fo_config_relationship *relationship,
                        const struct fo_config_word *word);

/* A name of a peer or relationship: it travels in messages and stands in log lines. */
int fo_config_read_name(const struct fo_place *place, const char *key, const json_t *value,
                        char name[FO_NAME_MAX + 1]);

/* The text as JSON; NULL with a text in `wrong` where it is none, without one where there was no
   memory. */
json_t *fo_config_load(const char *json, json_error_t *wrong);

#endif
