/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The part of the parameters that differs with the mode: the roles, and who serves which clients
 * while both servers work. config.c reads all else. Each function fills `relationship` (or `peer`),
 * or returns what would be right.
 */
#ifndef FO_HOOK_CONFIG_MODE_H
#define FO_HOOK_CONFIG_MODE_H

#include <jansson.h>

#include "hook/config.h"

const char *fo_config_mode(const json_t *value, struct fo_config_relationship *relationship);

const char *fo_config_role(const json_t *value, bool hot_standby, struct fo_config_peer *peer);

/* `active`, and keys that belong to the other mode; `key` is the one that is wrong. The peers are
   known already. */
const char *fo_config_division(const json_t *map, struct fo_config_relationship *relationship,
                               const char **key);

/* What hot standby means for the numbers that are read: it is a division of 100 to 0. */
void fo_config_divide(struct fo_config_relationship *relationship);

#endif
