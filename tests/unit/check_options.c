/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Options of messages, against a table of the tests' own: every option in every message with every
 * length, at its bounds, twice and out of order; several bindings in one message (6, 12).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/messages_by_hand.h"

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

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tests = tcase_create("options");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_option_in_every_message_with_every_length, 1, 13);
    tcase_add_loop_test(tests, every_option_makes_the_round_trip_at_its_bounds, 1, 13);
    tcase_add_loop_test(tests, all_options_of_a_message_make_the_round_trip, 1, 13);
    tcase_add_test(tests, what_is_wrong_is_not_encoded);
    tcase_add_test(tests, values_that_do_not_exist);
    tcase_add_test(tests, flags_of_one_byte_and_of_two);
    tcase_add_test(tests, an_option_twice_is_an_error);
    tcase_add_test(tests, each_transaction_has_its_own_options);
    tcase_add_test(tests, the_address_comes_first);
    tcase_add_test(tests, the_digest_comes_first);
    tcase_add_loop_test(tests, unknown_options_are_skipped, 1, 13);
    tcase_add_test(tests, messages_of_bindings_have_some);
    tcase_add_test(tests, as_many_bindings_as_fit);
    tcase_add_test(tests, several_bindings_in_one_message);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
