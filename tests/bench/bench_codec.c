/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What it costs to write and to read a BNDUPD that is full: 30 bindings, each with
 * hardware address, identifier and all times. Nanoseconds a binding, the median of many turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/dialect.h"
#include "protocol/message.h"

enum { BINDINGS = 30, TURNS = 101, MESSAGES = 2000 };

static struct fo_message message, decoded;
static uint8_t frame[FO_MESSAGE_MAX];

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static void fill(void)
{
    static const uint8_t hardware[7] = {1, 2, 0, 0, 0, 0, 1}, identifier[7] = {1, 2, 0, 0, 0, 0, 1};
    message.type = FO_MSG_BNDUPD;
    message.update_count = BINDINGS;
    for (uint32_t i = 0; i < BINDINGS; i++) {
        struct fo_update *update = &message.updates[i];
        update->present =
            FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
            FO_HAS(FO_OPT_CLIENT_IDENTIFIER) | FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) |
            FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) | FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME) |
            FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME) | FO_HAS(FO_OPT_START_TIME_OF_STATE);
        update->address = 0x0a000000 + i;
        update->status = FO_ACTIVE;
        update->client_identifier = (struct fo_bytes){identifier, sizeof identifier};
        update->hardware_address = (struct fo_bytes){hardware, sizeof hardware};
        update->lease_expiration = update->potential_expiration = 1700003600 + i;
        update->client_last_transaction = update->start_of_state = 1700000000;
    }
}

static int ascending(const void *a, const void *b)
{
    const double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

int main(void)
{
    static double writing[TURNS], reading[TURNS];
    struct fo_decode_error error;
    size_t length = 0;
    fill();
    for (int turn = 0; turn < TURNS; turn++) {
        double begin = now();
        for (int i = 0; i < MESSAGES; i++)
            length = fo_encode(&fo_dialect_draft, &message, frame, sizeof frame);
        writing[turn] = (now() - begin) / MESSAGES / BINDINGS;
        begin = now();
        for (int i = 0; i < MESSAGES; i++)
            if (length == 0 || !fo_decode(&fo_dialect_draft, frame, length, &decoded, &error)) {
                fprintf(stderr, "the message is not taken: %s\n", length ? error.text : "no room");
                return EXIT_FAILURE;
            }
        reading[turn] = (now() - begin) / MESSAGES / BINDINGS;
    }
    qsort(writing, TURNS, sizeof writing[0], ascending);
    qsort(reading, TURNS, sizeof reading[0], ascending);
    printf("a BNDUPD of %d bindings has %zu bytes, %.1f a binding\n", BINDINGS, length,
           (double)length / BINDINGS);
    printf("encode %.1f ns a binding (half of the turns %.1f to %.1f)\n", writing[TURNS / 2],
           writing[TURNS / 4], writing[TURNS * 3 / 4]);
    printf("decode %.1f ns a binding (half of the turns %.1f to %.1f)\n", reading[TURNS / 2],
           reading[TURNS / 4], reading[TURNS * 3 / 4]);
    return EXIT_SUCCESS;
}
