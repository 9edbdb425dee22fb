/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Host names, and what DNS has of the addresses: one name each, as a reverse zone. Every other client has
 * a name, and now and then it is another one. Kea enters it with a new lease, or when it has changed;
 * who removes it, and when, is the service's to say (5.12.4).
 *
 * What is checked: in the end none is left, but where somebody has forgotten a lease altogether. (That one
 * is removed twice, or late, when its client has got the address again from the other server, is no fault:
 * by 5.12.4 it is removed after the acknowledgement, with which the other may give it.) In lives with a
 * planted fault nobody has a name: they are as long as they need to be.
 */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OTHER_NAME = 1000 };

uint16_t name_of_client(int client, uint32_t xid)
{
    return client % 2 == 0 || fo_planted != FO_FAULT_NONE ? 0 : (uint16_t)(client + (xid % 16 == 0 ? OTHER_NAME : 0));
}

struct fo_details name_details(uint16_t name, char text[NAME_TEXT])
{
    const int length = name == 0 ? 0 : snprintf(text, NAME_TEXT, "h%u.sim.", name);
    return (struct fo_details){.told = true, .forward = name != 0, .reverse = name != 0,
                               .name = (const uint8_t *)text, .name_length = (uint8_t)length};
}

uint16_t name_in(const struct fo_details *details)
{
    char text[NAME_TEXT] = "";
    if (details->name_length < 2 || details->name_length >= NAME_TEXT)
        return 0;
    memcpy(text, details->name, details->name_length);
    return (uint16_t)strtoul(text + 1, NULL, 10);
}

void name_enter(struct world *world, uint32_t address, uint16_t name)
{
    world_tell(world, "DNS has h%u at %s", name, world_address(address));
    world->names[address - FIRST_ADDRESS] = name;
}

void name_remove(struct world *world, uint32_t address, uint16_t name)
{
    uint16_t *there = &world->names[address - FIRST_ADDRESS];
    if (name == 0 || *there != name)
        return;
    world_tell(world, "DNS has nothing at %s any more (h%u)", world_address(address), name);
    *there = 0;
}

const char *names_left(const struct world *world, char *text, size_t size)
{
    for (uint32_t i = 0; i < world->plan.addresses && !world->names_forgotten; i++)
        if (world->names[i] != 0) {
            snprintf(text, size, "DNS still has h%u at %s", world->names[i],
                     world_address(FIRST_ADDRESS + i));
            return text;
        }
    return NULL;
}
