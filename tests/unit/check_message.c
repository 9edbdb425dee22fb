/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The message codec against a table of its own, written down from the draft once more: every
 * option in every message with every length, at its bounds, twice, out of order, cut off anywhere;
 * the exact words of errors; frames that real servers sent (tests/data); and mutations of all of
 * these. Each frame is decoded in a block exactly as large, so that AddressSanitizer sees a step
 * beyond its end.
 */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/dialect.h"
#include "protocol/message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { MUTATIONS = 200000, RECORDED_MAX = 800 };

/* ------------------------------------------------------------------ what the draft says */

enum kind { U8, U32, FLAGS, BYTES, BUCKETS, DDNS, DIGEST };

#define IN(type) (1U << FO_MSG_##type)
#define UPDATES (IN(BNDUPD) | IN(BNDACK))
#define ALL 0x1ffeU
#define FREELY 0xffff
#define M(field) offsetof(struct fo_message, field)
#define U(field) offsetof(struct fo_update, field)

struct row {
    uint16_t code;
    const char *name;
    enum kind kind;
    uint16_t least, most;
    unsigned outside, inside;
    size_t in_message, in_update;
};

static const struct row rows[] = {
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

static bool has_updates(unsigned type)
{
    return type == FO_MSG_BNDUPD || type == FO_MSG_BNDACK;
}

/* ------------------------------------------------------------------ frames made by hand */

struct frame {
    size_t length;
    uint8_t bytes[8192];
};

static uint8_t filler[4096];
static struct fo_message decoded, again, message;
static struct fo_decode_error error;
static uint8_t encoded[FO_MESSAGE_MAX];

static void setup(void)
{
    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = (uint8_t)(i % 255 + 1);
    memset(&message, 0, sizeof message);
}

static void put_number(struct frame *frame, uint32_t value, unsigned bytes)
{
    while (bytes-- > 0)
        frame->bytes[frame->length++] = (uint8_t)(value >> (8 * bytes));
}

static void end(struct frame *frame)
{
    frame->bytes[0] = (uint8_t)(frame->length >> 8);
    frame->bytes[1] = (uint8_t)frame->length;
}

static void begin(struct frame *frame, unsigned type)
{
    frame->length = 0;
    put_number(frame, 0, 2);
    put_number(frame, type, 1);
    put_number(frame, 12, 1);
    put_number(frame, UINT32_C(0x6b029171), 4);
    put_number(frame, UINT32_C(0xfedcba98), 4);
    end(frame);
}

/* An option whose bytes are legal where its length is. */
static void put(struct frame *frame, uint16_t code, size_t length)
{
    put_number(frame, code, 2);
    put_number(frame, (uint32_t)length, 2);
    memcpy(frame->bytes + frame->length, filler, length);
    if (code == FO_OPT_SERVER_STATE && length > 0)
        frame->bytes[frame->length] = FO_STATE_NORMAL;
    frame->length += length;
    end(frame);
}

static void put_value(struct frame *frame, uint16_t code, uint32_t value, unsigned bytes)
{
    put_number(frame, code, 2);
    put_number(frame, bytes, 2);
    put_number(frame, value, bytes);
    end(frame);
}

/* A frame with one option where it belongs, `times` times. */
static void one_option(struct frame *frame, unsigned type, const struct row *row, size_t length,
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

static bool decode_bytes(const uint8_t *bytes, size_t length)
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

static bool decode(const struct frame *frame)
{
    return decode_bytes(frame->bytes, frame->length);
}

static size_t from_hex(const char *text, uint8_t *bytes, size_t most)
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

static bool decode_hex(const char *text)
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

/* Adds an option to `message`, in its last transaction where it belongs there. */
static void add(const struct row *row, size_t length)
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

static void begin_message(unsigned type)
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

/* Every option that the message may have; the open-ended ones with `freely` bytes. */
static void fill_message(unsigned type, bool most, size_t freely)
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

static bool same_message(const struct fo_message *a, const struct fo_message *b)
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

/* Encodes `message` into blocks of exactly its size and one less; decodes and compares it. */
static size_t round_trip(void)
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

/* ------------------------------------------------------------------ the header */

START_TEST(the_header_is_as_drawn)
{
    static const uint8_t drawn[] = {0, 12, 11, 12, 0x80, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe};
    begin_message(FO_MSG_CONTACT);
    ck_assert_uint_eq(round_trip(), sizeof drawn);
    ck_assert_mem_eq(encoded, drawn, sizeof drawn);
}
END_TEST

START_TEST(bare_messages_have_twelve_bytes)
{
    for (unsigned type = FO_MSG_POOLREQ; type <= FO_MSG_DISCONNECT; type++) {
        begin_message(type);
        ck_assert_uint_eq(round_trip(), has_updates(type) ? 20 : 12);
    }
}
END_TEST

START_TEST(the_length_is_found)
{
    for (unsigned length = 0; length <= 0xffff; length++) {
        const uint8_t bytes[2] = {(uint8_t)(length >> 8), (uint8_t)length};
        int expected = length >= 12 && length <= 2048 ? (int)length : -1;
        if (fo_frame_length(bytes, 2) != expected || fo_frame_length(bytes, 1) != 0)
            ck_abort_msg("length %u is not found", length);
    }
    ck_assert_int_eq(fo_frame_length(NULL, 0), 0);
}
END_TEST

START_TEST(unknown_types)
{
    struct frame frame;
    for (unsigned type = 0; type < 256; type++) {
        begin(&frame, type);
        if (has_updates(type))
            continue;
        bool known = type >= 1 && type <= 12;
        ck_assert_int_eq(decode(&frame), known || type >= 128);
        if (type >= 128) { /* whatever is in it */
            put(&frame, FO_OPT_MCLT, 3);
            ck_assert(decode(&frame));
            ck_assert_uint_eq(decoded.type, type);
            ck_assert_uint_eq(decoded.present, 0);
            ck_assert_uint_eq(decoded.xid, UINT32_C(0xfedcba98));
        }
        begin_message(type);
        ck_assert_int_eq(fo_encode(&fo_dialect_draft, &message, encoded, sizeof encoded) != 0,
                         known);
    }
}
END_TEST

/* 8 to 12 mean 12; more skip additional header bytes, up to the end of the message. */
START_TEST(payload_offsets)
{
    for (unsigned offset = 0; offset < 256; offset++) {
        struct frame frame;
        begin(&frame, FO_MSG_POOLRESP);
        for (unsigned extra = 12; extra < offset && extra < 40; extra++)
            put_number(&frame, 0xee, 1);
        frame.bytes[3] = (uint8_t)offset;
        end(&frame);
        bool inside = offset >= 8 && offset <= 40;
        ck_assert_int_eq(decode(&frame), inside);
        put_value(&frame, FO_OPT_ADDRESSES_TRANSFERRED, 77, 4);
        if (!inside)
            continue;
        ck_assert(decode(&frame));
        ck_assert_uint_eq(decoded.addresses_transferred, 77);
    }
}
END_TEST

START_TEST(lengths_of_messages)
{
    struct frame frame;
    begin(&frame, FO_MSG_DISCONNECT);
    put(&frame, FO_OPT_MESSAGE, 2048 - 16);
    ck_assert_uint_eq(frame.length, FO_MESSAGE_MAX);
    ck_assert(decode(&frame));
    begin(&frame, FO_MSG_DISCONNECT);
    put(&frame, FO_OPT_MESSAGE, 2049 - 16);
    ck_assert(!decode(&frame));
    begin(&frame, FO_MSG_CONTACT);
    for (unsigned stated = 0; stated < 0x10000; stated++) {
        frame.bytes[0] = (uint8_t)(stated >> 8);
        frame.bytes[1] = (uint8_t)stated;
        if (decode(&frame) != (stated == 12))
            ck_abort_msg("a stated length is believed");
    }
    for (size_t length = 0; length < 12; length++)
        ck_assert(!decode_bytes(frame.bytes, length));
}
END_TEST

/* 2048 bytes are the most (6.1), however large the buffer. */
START_TEST(no_frame_is_longer_than_allowed)
{
    static uint8_t large[2 * FO_MESSAGE_MAX];
    begin_message(FO_MSG_DISCONNECT);
    message.present = FO_HAS(FO_OPT_MESSAGE);
    message.message = (struct fo_bytes){filler, FO_MESSAGE_MAX - 16};
    ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, large, sizeof large), FO_MESSAGE_MAX);
    message.message.length++;
    ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, large, sizeof large), 0);
    ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, NULL, 0), 0);
}
END_TEST

/* ------------------------------------------------------------------ options, one by one */

static void every_length(unsigned type, const struct row *row)
{
    struct frame frame;
    char number[16];
    bool allowed = ((row->outside | row->inside) >> type & 1) != 0;
    for (size_t length = 0; length <= 2100; length += length < 300 ? 1 : 71) {
        bool fits = length >= row->least && length <= row->most;
        one_option(&frame, type, row, length, 1);
        if (frame.length > FO_MESSAGE_MAX)
            break;
        bool ok = decode(&frame);
        snprintf(number, sizeof number, " %zu byte", length);
        bool explained = strstr(error.text, fo_message_name((uint8_t)type)) != NULL &&
                         strstr(error.text, row->name) != NULL &&
                         (!allowed || strstr(error.text, number) != NULL);
        if (ok != (allowed && fits) || (!ok && !explained))
            ck_abort_msg("%s with %zu bytes of %s: %s", fo_message_name((uint8_t)type), length,
                         row->name, ok ? "accepted" : error.text);
    }
}

START_TEST(every_option_in_every_message_with_every_length)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        every_length((unsigned)_i, &rows[i]);
}
END_TEST

START_TEST(every_option_makes_the_round_trip_at_its_bounds)
{
    unsigned type = (unsigned)_i;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t room = FO_MESSAGE_MAX - FO_HEADER_SIZE - 4 - (has_updates(type) ? 8 : 0);
        if (!((rows[i].outside | rows[i].inside) >> type & 1) ||
            rows[i].code == FO_OPT_VENDOR_SPECIFIC_OPTIONS)
            continue;
        begin_message(type);
        add(&rows[i], rows[i].least);
        round_trip();
        begin_message(type);
        add(&rows[i], rows[i].most < room ? rows[i].most : room);
        ck_assert_uint_eq(round_trip() == FO_MESSAGE_MAX, rows[i].most == FREELY);
    }
}
END_TEST

START_TEST(all_options_of_a_message_make_the_round_trip)
{
    for (int most = 0; most < 2; most++)
        for (size_t freely = 4; freely < 200; freely += 37) {
            fill_message((unsigned)_i, most == 1, freely);
            size_t length = round_trip();
            if (has_updates((unsigned)_i)) { /* what stands outside, and the transaction */
                size_t outside = 12 + 3 * 4 + (most ? 3 * freely : 3);
                ck_assert_uint_eq(length, outside + fo_update_size(&message.updates[0]));
            }
        }
}
END_TEST

/* What decoding refuses is never written. */
START_TEST(what_is_wrong_is_not_encoded)
{
    for (unsigned type = 1; type <= 12; type++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            bool inside = (rows[i].inside >> type & 1) != 0;
            begin_message(type);
            if (!(rows[i].outside >> type & 1)) { /* outside, where it does not belong */
                message.present = FO_HAS(rows[i].code);
                ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, encoded, 2048), 0);
            }
            begin_message(type);
            if (has_updates(type) && !inside) {
                message.updates[0].present |= FO_HAS(rows[i].code);
                ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, encoded, 2048), 0);
            }
            begin_message(type);
            if (rows[i].kind != BYTES || !((rows[i].outside | rows[i].inside) >> type & 1))
                continue;
            add(&rows[i], rows[i].most == FREELY ? 2048 : rows[i].most + 1U);
            ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, encoded, 2048), 0);
            begin_message(type);
            add(&rows[i], rows[i].least > 0 ? rows[i].least - 1U : 0);
            ck_assert_int_eq(fo_encode(&fo_dialect_draft, &message, encoded, 2048) == 0,
                             rows[i].least > 0 ||
                                 rows[i].code == FO_OPT_VENDOR_SPECIFIC_OPTIONS);
        }
    begin_message(FO_MSG_BNDUPD);
    message.update_count = 0;
    ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, encoded, 2048), 0);
    begin_message(FO_MSG_STATE);
    message.update_count = 1;
    ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, encoded, 2048), 0);
}
END_TEST

/* Values: binding-status, server-state and hardware type through both directions. */
START_TEST(values_that_do_not_exist)
{
    for (unsigned value = 0; value < 256; value++) {
        struct frame frame;
        begin(&frame, FO_MSG_BNDUPD);
        put_value(&frame, FO_OPT_ASSIGNED_IP_ADDRESS, 1, 4);
        put_value(&frame, FO_OPT_BINDING_STATUS, value, 1);
        ck_assert_int_eq(decode(&frame), value >= 1 && value <= 7);
        begin_message(FO_MSG_BNDUPD);
        message.updates[0].present |= FO_HAS(FO_OPT_BINDING_STATUS);
        message.updates[0].status = (uint8_t)value;
        ck_assert_int_eq(fo_encode(&fo_dialect_draft, &message, encoded, 2048) != 0,
                         value >= 1 && value <= 7);

        bool state = (value >= 2 && value <= 11) || value == 254;
        begin(&frame, FO_MSG_STATE);
        put_value(&frame, FO_OPT_SERVER_STATE, value, 1);
        ck_assert_int_eq(decode(&frame), state);
        begin_message(FO_MSG_STATE);
        message.present = FO_HAS(FO_OPT_SERVER_STATE);
        message.server_state = (uint8_t)value;
        ck_assert_int_eq(fo_encode(&fo_dialect_draft, &message, encoded, 2048) != 0, state);

        begin(&frame, FO_MSG_BNDUPD);
        put_value(&frame, FO_OPT_ASSIGNED_IP_ADDRESS, 1, 4);
        put_value(&frame, FO_OPT_CLIENT_HARDWARE_ADDRESS, value << 8, 2);
        ck_assert_int_eq(decode(&frame), value != 0);
    }
}
END_TEST

START_TEST(flags_of_one_byte_and_of_two)
{
    struct fo_dialect one = fo_dialect_draft;
    struct frame frame;
    begin(&frame, FO_MSG_BNDUPD);
    put_value(&frame, FO_OPT_ASSIGNED_IP_ADDRESS, 1, 4);
    put_value(&frame, FO_OPT_IP_FLAGS, 0x0003, 2);
    ck_assert(decode(&frame));
    ck_assert_uint_eq(decoded.updates[0].ip_flags, FO_IP_FLAG_RESERVED | FO_IP_FLAG_BOOTP);
    begin(&frame, FO_MSG_BNDUPD);
    put_value(&frame, FO_OPT_ASSIGNED_IP_ADDRESS, 1, 4);
    put_value(&frame, FO_OPT_IP_FLAGS, 0x02, 1);
    ck_assert(decode(&frame));
    ck_assert_uint_eq(decoded.updates[0].ip_flags, FO_IP_FLAG_BOOTP);
    one.ip_flags_size = 1;
    ck_assert_uint_eq(fo_encode(&one, &decoded, encoded, sizeof encoded), frame.length);
    ck_assert_mem_eq(encoded, frame.bytes, frame.length);
    ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &decoded, encoded, 2048), frame.length + 1);
}
END_TEST

/* ------------------------------------------------------------------ order and number */

START_TEST(an_option_twice_is_an_error)
{
    struct frame frame;
    for (unsigned type = 1; type <= 12; type++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            if (!((rows[i].outside | rows[i].inside) >> type & 1))
                continue;
            one_option(&frame, type, &rows[i], rows[i].least, 2);
            bool ok = decode(&frame);
            ck_assert_int_eq(ok, rows[i].code == FO_OPT_ASSIGNED_IP_ADDRESS);
            ck_assert(ok || strstr(error.text, rows[i].name) != NULL);
            ck_assert(ok || rows[i].code == FO_OPT_MESSAGE_DIGEST ||
                      strstr(error.text, "appears twice") != NULL);
        }
}
END_TEST

START_TEST(each_transaction_has_its_own_options)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct frame frame;
        if (!(rows[i].inside & IN(BNDACK)) || rows[i].code == FO_OPT_ASSIGNED_IP_ADDRESS)
            continue;
        begin(&frame, FO_MSG_BNDACK);
        for (uint32_t address = 1; address <= 3; address++) {
            put_value(&frame, FO_OPT_ASSIGNED_IP_ADDRESS, address, 4);
            if (address != 2)
                put(&frame, rows[i].code, rows[i].least);
        }
        ck_assert_msg(decode(&frame), "%s", error.text);
        ck_assert_uint_eq(decoded.update_count, 3);
        ck_assert_uint_eq(decoded.updates[0].present, FO_HAS(2) | FO_HAS(rows[i].code));
        ck_assert_uint_eq(decoded.updates[1].present, FO_HAS(2));
        ck_assert_uint_eq(decoded.updates[2].present, FO_HAS(2) | FO_HAS(rows[i].code));
        put(&frame, rows[i].code, rows[i].least); /* the third one twice */
        ck_assert(!decode(&frame));
    }
}
END_TEST

START_TEST(the_address_comes_first)
{
    for (unsigned type = FO_MSG_BNDUPD; type <= FO_MSG_BNDACK; type++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            struct frame frame;
            bool inside = (rows[i].inside >> type & 1) != 0;
            if (!inside || rows[i].code == FO_OPT_ASSIGNED_IP_ADDRESS)
                continue;
            begin(&frame, type);
            put(&frame, rows[i].code, rows[i].least);
            put_value(&frame, FO_OPT_ASSIGNED_IP_ADDRESS, 1, 4);
            ck_assert(!decode(&frame));
            ck_assert_ptr_nonnull(strstr(error.text, "before the first assigned-IP-address"));
        }
}
END_TEST

START_TEST(the_digest_comes_first)
{
    struct frame frame;
    begin(&frame, FO_MSG_CONTACT);
    put(&frame, FO_OPT_MESSAGE_DIGEST, 17);
    ck_assert(decode(&frame));
    ck_assert_uint_eq(decoded.digest_type, 1);
    ck_assert_uint_eq(decoded.digest.length, 16);
    begin(&frame, FO_MSG_STATE);
    put(&frame, FO_OPT_SERVER_STATE, 1);
    put(&frame, FO_OPT_MESSAGE_DIGEST, 17);
    ck_assert(!decode(&frame));
    begin(&frame, FO_MSG_CONTACT); /* "the first option in the message", of the unknown ones, too */
    put(&frame, 4711, 2);
    put(&frame, FO_OPT_MESSAGE_DIGEST, 17);
    ck_assert(!decode(&frame));
    begin(&frame, FO_MSG_BNDUPD); /* nor does it trail, as the picture of 6.3 has it */
    put_value(&frame, FO_OPT_ASSIGNED_IP_ADDRESS, 1, 4);
    put(&frame, FO_OPT_MESSAGE_DIGEST, 17);
    ck_assert(!decode(&frame));
    fill_message(FO_MSG_CONNECT, true, 17);
    round_trip();
    ck_assert_uint_eq(encoded[13], FO_OPT_MESSAGE_DIGEST);
}
END_TEST

/* Puts unknown options before, between and behind the options of a frame that has them all. */
START_TEST(unknown_options_are_skipped)
{
    static const uint16_t unknown[] = {0, 30, 31, 32, 127, 256, 258, 0x8001, 65535};
    static const size_t lengths[] = {0, 1, 4, 250};
    struct frame frame;
    fill_message((unsigned)_i, false, 4);
    message.present &= ~FO_HAS(FO_OPT_MESSAGE_DIGEST); /* which would have to be before them */
    message.digest_type = 0;
    message.digest.length = 0;
    size_t length = fo_encode(&fo_dialect_draft, &message, encoded, sizeof encoded);
    for (size_t u = 0; u < COUNT(unknown); u++)
        for (size_t l = 0; l < COUNT(lengths); l++)
            for (size_t at = 12; at <= length;
                 at += 4U + (at < length ? (size_t)(encoded[at + 2] << 8 | encoded[at + 3]) : 1U)) {
                frame.length = at;
                memcpy(frame.bytes, encoded, at);
                put(&frame, unknown[u], lengths[l]);
                put(&frame, unknown[u], lengths[l]);
                memcpy(frame.bytes + frame.length, encoded + at, length - at);
                frame.length += length - at;
                end(&frame);
                ck_assert_msg(decode(&frame), "%s", error.text);
                ck_assert(same_message(&message, &decoded));
            }
}
END_TEST

START_TEST(messages_of_bindings_have_some)
{
    struct frame frame;
    begin(&frame, FO_MSG_BNDUPD);
    ck_assert(!decode(&frame));
    ck_assert_int_eq(error.reason, FO_REJECT_MISSING_INFORMATION);
    ck_assert_str_eq(error.text, "BNDUPD: no assigned-IP-address option, at least one expected");
    begin(&frame, FO_MSG_BNDACK);
    put(&frame, FO_OPT_VENDOR_CLASS_IDENTIFIER, 3);
    ck_assert(!decode(&frame));
}
END_TEST

START_TEST(as_many_bindings_as_fit)
{
    for (unsigned type = FO_MSG_BNDUPD; type <= FO_MSG_BNDACK; type++)
        for (size_t count = 1; count <= FO_UPDATES_MAX; count++) {
            begin_message(type);
            message.update_count = count;
            for (size_t i = 0; i < count; i++) {
                message.updates[i].present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS);
                message.updates[i].address = (uint32_t)(0x0a000000U + i * 257);
            }
            ck_assert_uint_eq(round_trip(), 12 + 8 * count);
        }
    message.update_count = FO_UPDATES_MAX + 1;
    ck_assert_uint_eq(fo_encode(&fo_dialect_draft, &message, encoded, sizeof encoded), 0);
}
END_TEST

/* BNDUPDs of ten different bindings, packed by fo_update_size. */
START_TEST(several_bindings_in_one_message)
{
    size_t expected = FO_HEADER_SIZE;
    begin_message(FO_MSG_BNDUPD);
    message.update_count = 0;
    for (uint32_t n = 0; n < 10; n++) {
        struct fo_update *update = &message.updates[message.update_count++];
        update->present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS);
        update->address = 0xc0000200 + n;
        for (size_t i = n % 3; i < COUNT(rows); i += 3)
            if ((rows[i].inside & IN(BNDUPD)) && rows[i].code != FO_OPT_ASSIGNED_IP_ADDRESS)
                add(&rows[i], rows[i].least + (rows[i].kind == BYTES ? n : 0));
        expected += fo_update_size(update);
        ck_assert_uint_eq(round_trip(), expected);
    }
}
END_TEST

/* ------------------------------------------------------------------ vendor options */

START_TEST(vendor_options_need_a_class)
{
    for (unsigned type = 1; type <= 12; type++) {
        struct frame frame;
        struct fo_bytes value;
        const uint8_t number[] = {0, 1, 0, 1, 42};
        begin(&frame, type);
        if (has_updates(type))
            put_value(&frame, FO_OPT_ASSIGNED_IP_ADDRESS, 1, 4);
        put_number(&frame, FO_OPT_VENDOR_SPECIFIC_OPTIONS, 2);
        put_number(&frame, sizeof number, 2);
        memcpy(frame.bytes + frame.length, number, sizeof number);
        frame.length += sizeof number;
        end(&frame);
        ck_assert_msg(decode(&frame), "%s", error.text);
        ck_assert_uint_eq(decoded.present, 0);
        ck_assert(!fo_vendor_option(&decoded, 1, &value));
        put(&frame, FO_OPT_VENDOR_CLASS_IDENTIFIER, 5);
        ck_assert_msg(decode(&frame), "%s", error.text);
        ck_assert(fo_vendor_option(&decoded, 1, &value));
        ck_assert_uint_eq(value.length, 1);
        ck_assert_uint_eq(value.data[0], 42);
    }
}
END_TEST

START_TEST(embedded_options_are_found)
{
    static const uint8_t embedded[] = {0, 1, 0, 2, 9, 8, 0, 7, 0, 0, 1, 0, 0, 1, 5, 0, 1, 0, 0};
    struct fo_bytes value = {NULL, 77};
    begin_message(FO_MSG_CONNECT);
    message.vendor_options = (struct fo_bytes){embedded, sizeof embedded};
    ck_assert(!fo_vendor_option(&message, 1, &value));
    message.present = FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS);
    ck_assert(fo_vendor_option(&message, 1, &value)); /* the first of two */
    ck_assert_ptr_eq(value.data, embedded + 4);
    ck_assert_uint_eq(value.length, 2);
    ck_assert(fo_vendor_option(&message, 7, &value));
    ck_assert_uint_eq(value.length, 0);
    ck_assert(fo_vendor_option(&message, 256, &value));
    ck_assert_uint_eq(value.data[0], 5);
    ck_assert(!fo_vendor_option(&message, 2, &value));
    for (uint16_t cut = 0; cut <= sizeof embedded; cut++) {
        uint8_t *exact = malloc(cut + 1U);
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, embedded, cut);
        message.vendor_options = (struct fo_bytes){exact, cut};
        ck_assert_int_eq(fo_vendor_option(&message, 1, &value),
                         cut == 6 || cut == 10 || cut == 15 || cut == 19);
        free(exact);
    }
}
END_TEST

/* ------------------------------------------------------------------ errors in words */

static const struct {
    const char *frame, *text;
} wrong[] = {
    {"0013 030c 00000000 00000000 000d 0003 010203",
     "BNDUPD: option lease-expiration-time has 3 bytes, 4 expected"},
    {"0010 050c 00000000 00000000 0016 0000",
     "CONNECT: option relationship-name has 0 bytes, 1 to 255 expected"},
    {"0011 090c 00000000 00000000 0011 0001 01",
     "UPDREQ: option message-digest has 1 byte, at least 2 expected"},
    {"0014 0a0c 00000000 00000000 000f 0004 00000e10",
     "STATE: option MCLT belongs in CONNECT only"},
    {"0011 030c 00000000 00000000 0015 0001 01",
     "BNDUPD: option reject-reason belongs in BNDACK, CONNECTACK, DISCONNECT only"},
    {"0011 0a0c 00000000 00000000 0018 0001 01",
     "STATE: option server-state is 1, 2 to 11 or 254 expected"},
    {"0019 030c 00000000 00000000 0002 0004 c0000201 0003 0001 08",
     "BNDUPD: option binding-status is 8, 1 to 7 expected"},
    {"001a 030c 00000000 00000000 0002 0004 c0000201 0005 0002 00aa",
     "BNDUPD: option client-hardware-address begins with 0, a hardware type expected"},
    {"0019 030c 00000000 00000000 0003 0001 01 0002 0004 c0000201",
     "BNDUPD: option binding-status comes before the first assigned-IP-address"},
    {"001e 030c 00000000 00000000 0002 0004 c0000201 0003 0001 01 0003 0001 01",
     "BNDUPD: option binding-status appears twice for one address, once expected"},
    {"0016 0a0c 00000000 00000000 0017 0001 00 0017 0001 00",
     "STATE: option server-flags appears twice, once expected"},
    {"0017 0a0c 00000000 00000000 0017 0001 00 0011 0002 0101",
     "STATE: option message-digest is not the first, as it has to be"},
    {"000f 0b0c 00000000 00000000 001e 00", "CONTACT: the last option reaches beyond the message"},
    {"000c 0b07 00000000 00000000",
     "CONTACT: payload offset 7 in a message of 12 bytes, 12 expected"},
    {"000c 0d0c 00000000 00000000", "message type 13 is unknown, 1 to 12 expected"},
    {"000d 0b0c 00000000 00000000", "a message of 12 bytes says that it has 13"},
    {"0003 0b", "a message of 3 bytes, 12 to 2048 expected"},
};

START_TEST(errors_say_what_would_be_right)
{
    for (size_t i = 0; i < COUNT(wrong); i++) {
        uint8_t bytes[64];
        size_t length = from_hex(wrong[i].frame, bytes, sizeof bytes);
        ck_assert(!decode_bytes(bytes, length));
        ck_assert_str_eq(error.text, wrong[i].text);
    }
}
END_TEST

START_TEST(numbers_have_names)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_str_eq(fo_option_name(rows[i].code), rows[i].name);
    for (unsigned n = 0; n < 0x10000; n++)
        if (fo_option_name((uint16_t)n) == NULL)
            ck_abort_msg("option %u has no name", n);
    for (unsigned n = 0; n < 256; n++) {
        ck_assert_ptr_nonnull(fo_message_name((uint8_t)n));
        ck_assert_ptr_nonnull(fo_status_name((uint8_t)n));
        ck_assert_ptr_nonnull(fo_state_name((uint8_t)n));
        ck_assert_ptr_nonnull(fo_reject_name((uint8_t)n));
    }
    ck_assert_str_eq(fo_message_name(FO_MSG_BNDUPD), "BNDUPD");
    ck_assert_str_eq(fo_message_name(12), "DISCONNECT");
    ck_assert_str_eq(fo_status_name(7), "BACKUP");
    ck_assert_str_eq(fo_state_name(3), "COMMUNICATIONS-INTERRUPTED");
    ck_assert_str_eq(fo_state_name(11), "CONFLICT-DONE");
    ck_assert_str_eq(fo_state_name(254), "RECOVER-WAIT");
    ck_assert_str_eq(fo_reject_name(15), "Outdated binding information");
    ck_assert_str_eq(fo_reject_name(21), "Missing message digest");
}
END_TEST

/* ------------------------------------------------------------------ cut off anywhere */

/* Do the options of the first `length` bytes end there, with an address where one must be? */
static bool ends_well(const uint8_t *bytes, size_t length)
{
    size_t at = 12;
    bool address = false;
    while (at + 4 <= length) {
        address = address || (bytes[at] == 0 && bytes[at + 1] == FO_OPT_ASSIGNED_IP_ADDRESS);
        at += 4U + (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);
    }
    return at == length && (address || !has_updates(bytes[2]));
}

static void cut_everywhere(uint8_t *bytes, size_t length)
{
    for (size_t cut = 0; cut < length; cut++) {
        bytes[0] = (uint8_t)(length >> 8);
        bytes[1] = (uint8_t)length;
        bool whole = decode_bytes(bytes, cut);
        bytes[0] = (uint8_t)(cut >> 8);
        bytes[1] = (uint8_t)cut;
        if (whole || decode_bytes(bytes, cut) != (cut >= 12 && ends_well(bytes, cut)))
            ck_abort_msg("cut off at %zu of %zu bytes", cut, length);
    }
}

START_TEST(messages_cut_off_at_every_byte)
{
    fill_message((unsigned)_i, true, 20);
    size_t length = round_trip();
    cut_everywhere(encoded, length);
    fill_message((unsigned)_i, false, 0);
    message.update_count *= 3; /* as if of three bindings */
    for (size_t i = 1; i < message.update_count; i++)
        message.updates[i] = message.updates[0];
    length = round_trip();
    cut_everywhere(encoded, length);
}
END_TEST

/* ------------------------------------------------------------------ what real servers sent */

static struct frame recorded[RECORDED_MAX];
static size_t recorded_count;

static void read_recorded(const char *name)
{
    static char path[1024], line[2 * FO_MESSAGE_MAX + 2];
    const char *top = getenv("top_srcdir");
    snprintf(path, sizeof path, "%s/tests/data/%s", top != NULL ? top : ".", name);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s cannot be read", path);
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#')
            continue;
        ck_assert_uint_lt(recorded_count, RECORDED_MAX);
        struct frame *frame = &recorded[recorded_count++];
        frame->length = from_hex(line, frame->bytes, sizeof frame->bytes);
    }
    fclose(file);
}

/* Decodes all, encodes them again (in our order of options), and compares. */
static void check_recorded(const char *name, const unsigned expected[13])
{
    unsigned types[13] = {0};
    recorded_count = 0;
    read_recorded(name);
    for (size_t i = 0; i < recorded_count; i++) {
        ck_assert_msg(decode(&recorded[i]), "message %zu: %s", i + 1, error.text);
        again = decoded;
        types[decoded.type]++;
        size_t length = fo_encode(&fo_dialect_draft, &again, encoded, sizeof encoded);
        ck_assert_uint_eq(length, recorded[i].length);
        ck_assert(fo_decode(&fo_dialect_draft, encoded, length, &message, &error));
        ck_assert(same_message(&again, &message));
    }
    for (unsigned type = 0; type < 13; type++)
        ck_assert_uint_eq(types[type], expected[type]);
}

START_TEST(recorded_leases)
{
    static const unsigned expected[13] = {[FO_MSG_BNDUPD] = 55, [FO_MSG_BNDACK] = 55,
                                          [FO_MSG_CONTACT] = 30};
    check_recorded("dhcpd-leases.hex", expected);
}
END_TEST

START_TEST(recorded_recovery)
{
    static const unsigned expected[13] = {
        [FO_MSG_BNDUPD] = 220, [FO_MSG_BNDACK] = 219,  [FO_MSG_CONNECT] = 1,
        [FO_MSG_CONNECTACK] = 1, [FO_MSG_UPDREQALL] = 2, [FO_MSG_UPDDONE] = 1,
        [FO_MSG_STATE] = 8,    [FO_MSG_CONTACT] = 29};
    check_recorded("dhcpd-recover.hex", expected);
}
END_TEST

START_TEST(recorded_others)
{
    static const unsigned expected[13] = {
        [FO_MSG_POOLREQ] = 1, [FO_MSG_POOLRESP] = 1,   [FO_MSG_BNDUPD] = 4,
        [FO_MSG_BNDACK] = 2,  [FO_MSG_CONNECT] = 1,    [FO_MSG_CONNECTACK] = 3,
        [FO_MSG_UPDREQ] = 1,  [FO_MSG_UPDREQALL] = 1,  [FO_MSG_UPDDONE] = 1,
        [FO_MSG_STATE] = 1,   [FO_MSG_CONTACT] = 1,    [FO_MSG_DISCONNECT] = 2};
    check_recorded("dhcpd-others.hex", expected);
}
END_TEST

static bool bytes_are(struct fo_bytes bytes, const char *text)
{
    return bytes.length == strlen(text) && memcmp(bytes.data, text, bytes.length) == 0;
}

START_TEST(a_recorded_connect_in_detail)
{
    recorded_count = 0;
    read_recorded("dhcpd-others.hex");
    ck_assert(decode(&recorded[0]));
    ck_assert_uint_eq(decoded.time, 1795330417);
    ck_assert_uint_eq(decoded.xid, 0);
    ck_assert(bytes_are(decoded.relationship_name, "isc-fo"));
    ck_assert_uint_eq(decoded.max_unacked, 10);
    ck_assert_uint_eq(decoded.receive_timer, 15);
    ck_assert(bytes_are(decoded.vendor_class, "isc-4.4.3-P1"));
    ck_assert_uint_eq(decoded.protocol_version, 1);
    ck_assert_uint_eq(decoded.tls_request, 0);
    ck_assert_uint_eq(decoded.mclt, 60);
    for (size_t i = 0; i < FO_HBA_SIZE; i++)
        ck_assert_uint_eq(decoded.hash_buckets[i], i < 16 ? 0xff : 0);
    ck_assert(decode(&recorded[3])); /* CONNECTACK that rejects */
    ck_assert_uint_eq(decoded.reject_reason, FO_REJECT_TIME_MISMATCH);
    ck_assert(bytes_are(decoded.message, "time offset too large"));
    ck_assert(decoded.present & FO_HAS(FO_OPT_MAX_UNACKED_BNDUPD));
}
END_TEST

START_TEST(recorded_bindings_in_detail)
{
    const struct fo_update *update = &decoded.updates[0];
    ck_assert(decode_hex("0044030c6b0291c80000014400020004c00002960003000102000500070102"
                         "0000c10001000d00046b029204001200046b029312001900046b0291c800060004"
                         "6b0291c8"));
    ck_assert_uint_eq(decoded.update_count, 1);
    ck_assert_uint_eq(decoded.xid, 324);
    ck_assert_uint_eq(update->address, 0xc0000296);
    ck_assert_uint_eq(update->status, FO_ACTIVE);
    ck_assert_uint_eq(update->hardware_address.length, 7);
    ck_assert_uint_eq(update->hardware_address.data[0], 1);
    ck_assert_uint_eq(update->lease_expiration, 1795330564);
    ck_assert_uint_eq(update->potential_expiration, 1795330834);
    ck_assert_uint_eq(update->start_of_state, 1795330504);
    ck_assert_uint_eq(update->client_last_transaction, 1795330504);
    ck_assert(!(update->present & FO_HAS(FO_OPT_CLIENT_IDENTIFIER)));
    ck_assert(decode_hex("0052040c6b0291f7000000f600020004c0000292001500011000100035696e636f6d69"
                         "6e6720757064617465206973206c65737320637269746963616c207468616e206f7574"
                         "676f696e6720757064617465"));
    ck_assert_uint_eq(update->reject_reason, FO_REJECT_LESS_CRITICAL);
    ck_assert(bytes_are(update->message, "incoming update is less critical than outgoing update"));
    ck_assert(decode_hex("001e0a0c6b0293ea0000000400180001fe00170001000019 00046b0293ea"));
    ck_assert_uint_eq(decoded.server_state, FO_STATE_RECOVER_WAIT);
}
END_TEST

/* ------------------------------------------------------------------ mutations */

static uint64_t random_state;

static uint32_t below(size_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % bound);
}

static void replace(struct frame *frame, size_t at, size_t removed, const uint8_t *bytes,
                    size_t length)
{
    memmove(frame->bytes + at + length, frame->bytes + at + removed, frame->length - at - removed);
    memcpy(frame->bytes + at, bytes, length);
    frame->length += length - removed;
}

static void mutate(struct frame *frame)
{
    static const uint8_t edges[] = {0, 1, 2, 4, 7, 8, 12, 28, 29, 30, 127, 128, 254, 255};
    const struct frame *other = &recorded[below(recorded_count)];
    size_t at = below(frame->length), some = 1 + below(24), from = below(other->length);
    uint8_t bytes[24];
    memcpy(bytes, frame->bytes + at, sizeof bytes);
    switch (below(6)) {
    case 0:
        frame->bytes[at] ^= (uint8_t)(1U << below(8));
        break;
    case 1:
        frame->bytes[at] = edges[below(sizeof edges)];
        break;
    case 2: /* bytes are lost */
        replace(frame, at, some < frame->length - at ? some : 0, bytes, 0);
        break;
    case 3: /* bytes come twice */
        replace(frame, at, 0, bytes, some < frame->length - at ? some : 0);
        break;
    case 4: /* the rest is another message's */
        replace(frame, at, frame->length - at, other->bytes + from, other->length - from);
        break;
    default: /* an option more */
        bytes[0] = 0;
        bytes[1] = (uint8_t)below(32);
        bytes[2] = 0;
        bytes[3] = (uint8_t)(some < 20 ? some : 20);
        replace(frame, at, 0, bytes, 4U + bytes[3]);
    }
}

static bool within(struct fo_bytes bytes, const uint8_t *lowest, size_t length)
{
    return bytes.length == 0 ||
           (bytes.data >= lowest && bytes.data + bytes.length <= lowest + length);
}

/* What is true of everything that decodes. */
static bool sane(const uint8_t *bytes, size_t length)
{
    if (decoded.type >= 128)
        return true;
    bool well = decoded.update_count <= FO_UPDATES_MAX &&
                has_updates(decoded.type) == (decoded.update_count > 0) &&
                within(decoded.message, bytes, length) && within(decoded.digest, bytes, length) &&
                within(decoded.relationship_name, bytes, length) &&
                within(decoded.vendor_class, bytes, length) &&
                within(decoded.vendor_options, bytes, length);
    for (size_t i = 0; well && i < decoded.update_count; i++) {
        const struct fo_update *update = &decoded.updates[i];
        well = within(update->client_identifier, bytes, length) &&
               within(update->hardware_address, bytes, length) &&
               within(update->request_options, bytes, length) &&
               within(update->reply_options, bytes, length) &&
               within(update->ddns_name, bytes, length) &&
               within(update->message, bytes, length) &&
               (!(update->present & FO_HAS(FO_OPT_BINDING_STATUS)) ||
                (update->status >= FO_FREE && update->status <= FO_BACKUP));
    }
    size_t size = fo_encode(&fo_dialect_draft, &decoded, encoded, sizeof encoded);
    if (size == 0) /* only IP-flags of one byte, which become two, can make it too long */
        return well && length > FO_MESSAGE_MAX - FO_UPDATES_MAX;
    return well && fo_decode(&fo_dialect_draft, encoded, size, &again, &error) &&
           same_message(&decoded, &again);
}

START_TEST(mutations_do_no_harm)
{
    unsigned accepted = 0;
    random_state = 88172645463325252U;
    recorded_count = 0;
    read_recorded("dhcpd-leases.hex");
    read_recorded("dhcpd-recover.hex");
    read_recorded("dhcpd-others.hex");
    for (unsigned type = 1; type <= 12; type++)
        for (int most = 0; most < 2; most++) {
            fill_message(type, most == 1, 30);
            struct frame *frame = &recorded[recorded_count++];
            frame->length = fo_encode(&fo_dialect_draft, &message, frame->bytes, FO_MESSAGE_MAX);
        }
    for (int i = 0; i < MUTATIONS; i++) {
        static struct frame frame;
        const struct frame *seed = &recorded[below(recorded_count)];
        frame.length = seed->length;
        memcpy(frame.bytes, seed->bytes, seed->length);
        for (uint32_t times = 1 + below(3); times > 0 && frame.length > 0; times--)
            mutate(&frame);
        if (below(16) != 0)
            end(&frame);
        uint8_t *exact = malloc(frame.length + (frame.length == 0));
        if (exact == NULL)
            abort();
        memcpy(exact, frame.bytes, frame.length);
        if (fo_decode(&fo_dialect_draft, exact, frame.length, &decoded, &error)) {
            accepted++;
            if (!sane(exact, frame.length))
                ck_abort_msg("mutation %d is accepted and not sane", i);
        }
        free(exact);
    }
    /* Both outcomes in numbers: otherwise this tests little. */
    ck_assert_uint_gt(accepted, MUTATIONS / 20);
    ck_assert_uint_lt(accepted, MUTATIONS / 20 * 19);
}
END_TEST

/* ------------------------------------------------------------------ */

static Suite *message_suite(void)
{
    Suite *suite = suite_create("message");
    TCase *codec = tcase_create("codec"), *frames = tcase_create("recorded");
    tcase_add_checked_fixture(codec, setup, NULL);
    tcase_set_timeout(codec, 120);
    tcase_add_test(codec, the_header_is_as_drawn);
    tcase_add_test(codec, bare_messages_have_twelve_bytes);
    tcase_add_test(codec, the_length_is_found);
    tcase_add_test(codec, unknown_types);
    tcase_add_test(codec, payload_offsets);
    tcase_add_test(codec, lengths_of_messages);
    tcase_add_test(codec, no_frame_is_longer_than_allowed);
    tcase_add_loop_test(codec, every_option_in_every_message_with_every_length, 1, 13);
    tcase_add_loop_test(codec, every_option_makes_the_round_trip_at_its_bounds, 1, 13);
    tcase_add_loop_test(codec, all_options_of_a_message_make_the_round_trip, 1, 13);
    tcase_add_test(codec, what_is_wrong_is_not_encoded);
    tcase_add_test(codec, values_that_do_not_exist);
    tcase_add_test(codec, flags_of_one_byte_and_of_two);
    tcase_add_test(codec, an_option_twice_is_an_error);
    tcase_add_test(codec, each_transaction_has_its_own_options);
    tcase_add_test(codec, the_address_comes_first);
    tcase_add_test(codec, the_digest_comes_first);
    tcase_add_loop_test(codec, unknown_options_are_skipped, 1, 13);
    tcase_add_test(codec, messages_of_bindings_have_some);
    tcase_add_test(codec, as_many_bindings_as_fit);
    tcase_add_test(codec, several_bindings_in_one_message);
    tcase_add_test(codec, vendor_options_need_a_class);
    tcase_add_test(codec, embedded_options_are_found);
    tcase_add_test(codec, errors_say_what_would_be_right);
    tcase_add_test(codec, numbers_have_names);
    tcase_add_loop_test(codec, messages_cut_off_at_every_byte, 1, 13);
    suite_add_tcase(suite, codec);

    tcase_add_checked_fixture(frames, setup, NULL);
    tcase_set_timeout(frames, 120);
    tcase_add_test(frames, recorded_leases);
    tcase_add_test(frames, recorded_recovery);
    tcase_add_test(frames, recorded_others);
    tcase_add_test(frames, a_recorded_connect_in_detail);
    tcase_add_test(frames, recorded_bindings_in_detail);
    tcase_add_test(frames, mutations_do_no_harm);
    suite_add_tcase(suite, frames);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(message_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
