/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The message codec against frames that real servers sent (tests/data), and against mutations of
 * them and of messages made by hand: no harm is done, and what is decoded is encoded again alike.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/messages_by_hand.h"

enum { MUTATIONS = 200000, RECORDED_MAX = 800 };

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

int main(void)
{
    Suite *suite = suite_create("recordings");
    TCase *tests = tcase_create("recordings");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, recorded_leases);
    tcase_add_test(tests, recorded_recovery);
    tcase_add_test(tests, recorded_others);
    tcase_add_test(tests, a_recorded_connect_in_detail);
    tcase_add_test(tests, recorded_bindings_in_detail);
    tcase_add_test(tests, mutations_do_no_harm);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
