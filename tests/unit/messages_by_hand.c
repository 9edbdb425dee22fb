/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See messages_by_hand.h. */
#include "tests/unit/messages_by_hand.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ what the draft says */

const struct row rows[] = {
    {1, "addresses-transferred", U32, 4, 4, IN(POOLRESP), 0, M(addresses_transferred), 0},
    {2, "assigned-IP-address", U32, 4, 4, 0, UPDATES, 0, U(address)},
    {3, "binding-status", U8, 1, 1, 0, UPDATES, 0, U(status)},
    {4, "client-identifier", BYTES, 1, 255, 0, UPDATES, 0, U(client_identifier)},
    {5, "client-hardware-address", BYTES, 2, 21, 0, UPDATES, 0, U(hardware_address)},
    {6, "client-last-transaction-time", U32, 4, 4, 0, UPDATES, 0, U(client_last_transaction)},
    {7, "client-reply-options", BYTES, 4, FREELY, 0, UPDATES, 0, U(reply_options)},
    {8, "client-request-options", BYTES, 4, FREELY, 0, UPDATES, 0, U(request_options)},
    {9, "DDNS", DDNS, 2, 257, 0, UPDATES, 0, U(ddns_name)},
    {10, "delayed-service-parameter", U8, 1, 1, IN(CONNECT), 0, M(delayed_service), 0},
    {11, "hash-bucket-assignment", BUCKETS, 32, 32, IN(CONNECT), 0, M(hash_buckets), 0},
    {12, "IP-flags", FLAGS, 1, 2, 0, UPDATES, 0, U(ip_flags)},
    {13, "lease-expiration-time", U32, 4, 4, 0, UPDATES, 0, U(lease_expiration)},
    {14, "max-unacked-bndupd", U32, 4, 4, IN(CONNECT) | IN(CONNECTACK), 0, M(max_unacked), 0},
    {15, "MCLT", U32, 4, 4, IN(CONNECT), 0, M(mclt), 0},
    {16, "message", BYTES, 0, FREELY, IN(CONNECTACK) | IN(DISCONNECT), IN(BNDACK), M(message),
     U(message)},
    {17, "message-digest", DIGEST, 2, FREELY, ALL, 0, M(digest), 0},
    {18, "potential-expiration-time", U32, 4, 4, 0, UPDATES, 0, U(potential_expiration)},
    {19, "receive-timer", U32, 4, 4, IN(CONNECT) | IN(CONNECTACK), 0, M(receive_timer), 0},
    {20, "protocol-version", U8, 1, 1, IN(CONNECT) | IN(CONNECTACK), 0, M(protocol_version), 0},
    {21, "reject-reason", U8, 1, 1, IN(CONNECTACK) | IN(DISCONNECT), IN(BNDACK), M(reject_reason),
     U(reject_reason)},
    {22, "relationship-name", BYTES, 1, 255, IN(CONNECT) | IN(CONNECTACK), 0, M(relationship_name),
     0},
    {23, "server-flags", U8, 1, 1, IN(STATE), 0, M(server_flags), 0},
    {24, "server-state", U8, 1, 1, IN(STATE), 0, M(server_state), 0},
    {25, "start-time-of-state", U32, 4, 4, IN(STATE), UPDATES, M(start_of_state),
     U(start_of_state)},
    {26, "TLS-reply", U8, 1, 1, IN(CONNECTACK), 0, M(tls_reply), 0},
    {27, "TLS-request", U8, 1, 1, IN(CONNECT), 0, M(tls_request), 0},
    {28, "vendor-class-identifier", BYTES, 1, FREELY, ALL, 0, M(vendor_class), 0},
    {29, "vendor-specific-options", BYTES, 0, FREELY, ALL, 0, M(vendor_options), 0},
};

bool has_updates(unsigned type)
{
    return type == FO_MSG_BNDUPD || type == FO_MSG_BNDACK;
}

/* ------------------------------------------------------------------ frames made by hand */

uint8_t filler[4096];
struct fo_message decoded, again, message;
struct fo_decode_error error;
uint8_t encoded[FO_MESSAGE_MAX];

void setup(void)
{
    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = (uint8_t)(i % 255 + 1);
    memset(&message, 0, sizeof message);
}

void put_number(struct frame *frame, uint32_t value, unsigned bytes)
{
    while (bytes-- > 0)
        frame->bytes[frame->length++] = (uint8_t)(value >> (8 * bytes));
}

void end(struct frame *frame)
{
    frame->bytes[0] = (uint8_t)(frame->length >> 8);
    frame->bytes[1] = (uint8_t)frame->length;
}

void begin(struct frame *frame, unsigned type)
{
    frame->length = 0;
    put_number(frame, 0, 2);
    put_number(frame, type, 1);
    put_number(frame, 12, 1);
    put_number(frame, UINT32_C(0x6b029171), 4);
    put_number(frame, UINT32_C(0xfedcba98), 4);
    end(frame);
}

void put(struct frame *frame, uint16_t code, size_t length)
{
    put_number(frame, code, 2);
    put_number(frame, (uint32_t)length, 2);
    memcpy(frame->bytes + frame->length, filler, length);
    if (code == FO_OPT_SERVER_STATE && length > 0)
        frame->bytes[frame->length] = FO_STATE_NORMAL;
    frame->length += length;
    end(frame);
}

void put_value(struct frame *frame, uint16_t code, uint32_t value, unsigned bytes)
{
    put_number(frame, code, 2);
    put_number(frame, bytes, 2);
    put_number(frame, value, bytes);
    end(frame);
}

void one_option(struct frame *frame, unsigned type, const struct row *row, size_t length,
                       int times)
{
    bool inside = (row->inside >> type & 1) != 0;
    begin(frame, type);
    if (has_updates(type) && inside && row->code != FO_OPT_ASSIGNED_IP_ADDRESS)
        put_value(frame, FO_OPT_ASSIGNED_IP_ADDRESS, 0xc0000201, 4);
    for (int i = 0; i < times; i++)
        put(frame, row->code, length);
    if (has_updates(type) && !inside)
        put_value(frame, FO_OPT_ASSIGNED_IP_ADDRESS, 0xc0000201, 4);
}

bool decode_bytes(const uint8_t *bytes, size_t length)
{
    static uint8_t *exact; /* what `decoded` points into */
    free(exact);
    exact = malloc(length > 0 ? length : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, bytes, length);
    memset(&error, 0, sizeof error);
    bool ok = fo_decode(&fo_dialect_draft, exact, length, &decoded, &error);
    if (!ok && (error.text[0] == '\0' || error.reason == FO_REJECT_NONE))
        ck_abort_msg("an error without reason or text");
    return ok;
}

bool decode(const struct frame *frame)
{
    return decode_bytes(frame->bytes, frame->length);
}

size_t from_hex(const char *text, uint8_t *bytes, size_t most)
{
    size_t length = 0;
    unsigned byte;
    for (; *text != '\0' && *text != '\n'; text++) {
        if (*text == ' ')
            continue;
        if (length == most || sscanf(text++, "%2x", &byte) != 1)
            ck_abort_msg("not a frame in hexadecimal digits: %s", text);
        bytes[length++] = (uint8_t)byte;
    }
    return length;
}

bool decode_hex(const char *text)
{
    static uint8_t bytes[FO_MESSAGE_MAX];
    return decode_bytes(bytes, from_hex(text, bytes, sizeof bytes));
}

/* ------------------------------------------------------------------ messages made by hand */

/* Sets one option, its value on the wire `length` bytes long. */
static void set(uint8_t *base, size_t field, const struct row *row, size_t length)
{
    struct fo_bytes bytes = {filler, (uint16_t)length};
    uint32_t number = UINT32_C(0xf1e2d3c4) + row->code;
    switch (row->kind) {
    case U8:
        base[field] = row->code == FO_OPT_BINDING_STATUS ? FO_BACKUP : 254;
        break;
    case U32:
        memcpy(base + field, &number, sizeof number);
        break;
    case FLAGS:
        ((struct fo_update *)(void *)base)->ip_flags = 0x8003;
        break;
    case BUCKETS:
        memcpy(base + field, filler, FO_HBA_SIZE);
        break;
    case DDNS:
        ((struct fo_update *)(void *)base)->ddns_flags = 0xc00d;
        bytes.length = (uint16_t)(length - 2);
        memcpy(base + field, &bytes, sizeof bytes);
        break;
    case DIGEST:
        ((struct fo_message *)(void *)base)->digest_type = 1;
        bytes.length = (uint16_t)(length - 1);
        memcpy(base + field, &bytes, sizeof bytes);
        break;
    case BYTES:
        memcpy(base + field, &bytes, sizeof bytes);
    }
}

void add(const struct row *row, size_t length)
{
    if (row->inside >> message.type & 1) {
        struct fo_update *update = &message.updates[message.update_count - 1];
        update->present |= FO_HAS(row->code);
        set((uint8_t *)update, row->in_update, row, length);
    } else {
        message.present |= FO_HAS(row->code);
        set((uint8_t *)&message, row->in_message, row, length);
    }
}

void begin_message(unsigned type)
{
    memset(&message, 0, sizeof message);
    message.type = (uint8_t)type;
    message.time = UINT32_C(0x80000001);
    message.xid = UINT32_C(0xfffffffe);
    if (has_updates(type)) {
        message.update_count = 1;
        message.updates[0].present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS);
        message.updates[0].address = UINT32_C(0xc0000201);
    }
}

void fill_message(unsigned type, bool most, size_t freely)
{
    begin_message(type);
    for (size_t i = 0; i < COUNT(rows); i++)
        if ((rows[i].outside | rows[i].inside) >> type & 1)
            add(&rows[i], !most                     ? rows[i].least
                          : rows[i].most == FREELY  ? freely
                                                    : rows[i].most);
}

static bool same_bytes(const uint8_t *a, const uint8_t *b)
{
    struct fo_bytes x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x.length == y.length && (x.length == 0 || memcmp(x.data, y.data, x.length) == 0);
}

/* Check counts every assertion and writes it down: one for a whole message is much quicker. */
static bool same_options(const uint8_t *a, const uint8_t *b, bool inside)
{
    static const size_t sizes[] = {[U8] = 1, [FLAGS] = 2, [U32] = 4, [BUCKETS] = FO_HBA_SIZE};
    bool same = true;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t field = inside ? rows[i].in_update : rows[i].in_message;
        if (!(inside ? rows[i].inside : rows[i].outside))
            continue;
        if (rows[i].kind == BYTES || rows[i].kind == DDNS || rows[i].kind == DIGEST)
            same = same && same_bytes(a + field, b + field);
        else
            same = same && memcmp(a + field, b + field, sizes[rows[i].kind]) == 0;
    }
    return same;
}

bool same_message(const struct fo_message *a, const struct fo_message *b)
{
    bool same = a->type == b->type && a->time == b->time && a->xid == b->xid &&
                a->present == b->present && a->digest_type == b->digest_type &&
                a->update_count == b->update_count &&
                same_options((const uint8_t *)a, (const uint8_t *)b, false);
    for (size_t i = 0; same && i < a->update_count; i++)
        same = a->updates[i].present == b->updates[i].present &&
               a->updates[i].ddns_flags == b->updates[i].ddns_flags &&
               same_options((const uint8_t *)&a->updates[i], (const uint8_t *)&b->updates[i], true);
    return same;
}

size_t round_trip(void)
{
    size_t length = fo_encode(&fo_dialect_draft, &message, encoded, sizeof encoded);
    ck_assert_uint_ge(length, FO_HEADER_SIZE);
    uint8_t *exact = malloc(length), *small = malloc(length - 1);
    ck_assert(exact != NULL && small != NULL);
    ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, exact, length), length);
    ck_assert_mem_eq(exact, encoded, length);
    ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, small, length - 1), 0);
    free(exact);
    free(small);
    ck_assert_int_eq(fo_frame_length(encoded, length), (int)length);
    ck_assert_msg(decode_bytes(encoded, length), "%s", error.text);
    ck_assert(same_message(&message, &decoded));
    return length;
}
