/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The message codec: the header, what is refused in which words, vendor options, and messages that
 * are cut off anywhere. The options are in check_options.c, what real servers sent in
 * check_recordings.c.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/messages_by_hand.h"

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

int main(void)
{
    Suite *suite = suite_create("message");
    TCase *tests = tcase_create("message");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, the_header_is_as_drawn);
    tcase_add_test(tests, bare_messages_have_twelve_bytes);
    tcase_add_test(tests, the_length_is_found);
    tcase_add_test(tests, unknown_types);
    tcase_add_test(tests, payload_offsets);
    tcase_add_test(tests, lengths_of_messages);
    tcase_add_test(tests, no_frame_is_longer_than_allowed);
    tcase_add_test(tests, vendor_options_need_a_class);
    tcase_add_test(tests, embedded_options_are_found);
    tcase_add_test(tests, errors_say_what_would_be_right);
    tcase_add_test(tests, numbers_have_names);
    tcase_add_loop_test(tests, messages_cut_off_at_every_byte, 1, 13);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
