/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What is known of each key of the parameters, as data: of ours, where the number goes, its bounds
 * with the reason for them, and its default; of keys that are not ours, what to use instead.
 * config.c reads parameters by these tables; nobody else needs them.
 */
#ifndef FO_HOOK_CONFIG_TABLE_H
#define FO_HOOK_CONFIG_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* A key of a relationship whose value is a whole number. */
struct fo_config_number {
    const char *key;
    size_t offset; /* of its uint32_t in struct fo_config_relationship */
    uint32_t least, most;
    uint32_t otherwise; /* the default */
    const char *unit;   /* " seconds", or "" */
    const char *reason; /* why these bounds; part of the error */
};

extern const struct fo_config_number fo_config_numbers[]; /* ended by a key NULL */

/* A parameter that is one of some words, or true or false. */
struct fo_config_word {
    const char *key;
    size_t offset;            /* of its uint8_t or bool in struct fo_config_relationship */
    const char *const *words; /* of 0, 1, ...; ended by NULL. NULL: true or false */
    uint8_t otherwise;        /* the default */
    const char *right;        /* what would be right; ends the error */
};

extern const struct fo_config_word fo_config_words[]; /* ended by a key NULL */

/* All keys allowed in each of the three maps; ended by NULL. */
extern const char *const fo_config_parameter_keys[];
extern const char *const fo_config_relationship_keys[];
extern const char *const fo_config_peer_keys[];

/* What to say of a key that is not ours but that somebody may bring along, or NULL. */
const char *fo_config_foreign_key(const char *key);

#endif
