/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The draft has no hot standby. It is a division of clients, 100 to 0, which one server imposes and
 * the other follows (5.3: "from all clients serviced by the primary ... to all clients serviced by
 * the secondary"), with a reserve of free addresses for the one that has no clients (5.4). Which of
 * the two is active has nothing to do with which is the primary.
 *
 * In hot standby it does not matter how long a client has been trying (RFC 3074 leaves that to the
 * server): a standby that answered the impatient would spend its reserve while its partner works,
 * and clients would get addresses of two servers whenever the active one is slow.
 */
#include "hook/config_mode.h"

#include <string.h>

static const char *string_of(const json_t *value)
{
    return json_is_string(value) ? json_string_value(value) : "";
}

const char *fo_config_mode(const json_t *value, struct fo_config_relationship *relationship)
{
    const char *mode = string_of(value);
    relationship->hot_standby = strcmp(mode, "hot-standby") == 0;
    if (relationship->hot_standby || strcmp(mode, "load-balancing") == 0)
        return NULL;
    if (strcmp(mode, "passive-backup") == 0)
        return "it belongs to libdhcp_ha; must be load-balancing or hot-standby";
    return "must be load-balancing or hot-standby";
}

const char *fo_config_role(const json_t *value, bool hot_standby, struct fo_config_peer *peer)
{
    const char *role = string_of(value);
    peer->primary = strcmp(role, "primary") == 0;
    peer->standby = hot_standby && strcmp(role, "standby") == 0;
    if (peer->primary || peer->standby || strcmp(role, "secondary") == 0)
        return NULL;
    if (strcmp(role, "standby") == 0)
        return "roles are primary and secondary; the other server of a pair is the secondary, and "
               "only in mode hot-standby it may be called standby";
    if (strcmp(role, "backup") == 0)
        return "roles are primary and secondary; failover has two servers and no backup servers";
    return hot_standby ? "must be primary or secondary (or standby, which means secondary)"
                       : "must be primary or secondary";
}

/* Keys of one mode alone, and what to say of them in the other one. */
static const struct {
    const char *key;
    bool hot_standby;
    const char *advice;
} keys_of_mode[] = {
    {"load-balance-percent", false,
     "in mode hot-standby the active server serves all clients; leave it out, or use active"},
    {"load-balance-max-seconds", false,
     "in mode hot-standby the standby does not answer however long a client has been trying; leave "
     "it out"},
    {"active", true,
     "in mode load-balancing both servers serve clients; leave it out, or use load-balance-percent"},
    {"reserve-percent", true,
     "in mode load-balancing free addresses are divided as the clients are; leave it out"},
};

static const char *read_active(const json_t *value, struct fo_config_relationship *relationship)
{
    const struct fo_config_peer *self = &relationship->self, *partner = &relationship->partner;
    relationship->active = relationship->primary;
    if (value == NULL)
        return NULL;
    const char *name = string_of(value);
    relationship->active = strcmp(name, self->name) == 0;
    if (!relationship->active && strcmp(name, partner->name) != 0)
        return "must be the name of one of the two peers; leave it out to mean the primary";
    if (relationship->active ? self->standby : partner->standby)
        return "this peer has the role standby; must be the other peer, or the role be secondary";
    return NULL;
}

const char *fo_config_division(const json_t *map, struct fo_config_relationship *relationship,
                               const char **key)
{
    for (size_t i = 0; i < sizeof keys_of_mode / sizeof keys_of_mode[0]; i++) {
        *key = keys_of_mode[i].key;
        if (keys_of_mode[i].hot_standby != relationship->hot_standby &&
            json_object_get(map, *key) != NULL)
            return keys_of_mode[i].advice;
    }
    *key = "active";
    return relationship->hot_standby ? read_active(json_object_get(map, *key), relationship) : NULL;
}

void fo_config_divide(struct fo_config_relationship *relationship)
{
    if (!relationship->hot_standby)
        return;
    relationship->primary_percent = relationship->active == relationship->primary ? 100 : 0;
    relationship->max_seconds = UINT16_MAX;
}
