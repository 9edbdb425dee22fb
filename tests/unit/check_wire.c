/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The bounds-checked reader and writer: byte order, every possible end of the buffer, errors that
 * stick. All buffers are exactly as large as they say, so that AddressSanitizer sees a step beyond.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

static const uint8_t sample[] = {0x01, 0x02, 0x03, 0x84, 0x85, 0x86, 0x87, 0xff, 0x00, 0x10};

static uint8_t *exactly(size_t size)
{
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, sample, size);
    return bytes;
}

START_TEST(numbers_are_in_network_byte_order)
{
    struct fo_reader reader;
    fo_reader_init(&reader, sample, sizeof sample);
    ck_assert_uint_eq(fo_reader_left(&reader), 10);
    ck_assert_uint_eq(fo_read_u8(&reader), 0x01);
    ck_assert_uint_eq(fo_read_u16(&reader), 0x0203);
    ck_assert_uint_eq(fo_read_u32(&reader), UINT32_C(0x84858687));
    ck_assert_ptr_eq(fo_read_bytes(&reader, 3), sample + 7);
    ck_assert_uint_eq(fo_reader_left(&reader), 0);
    ck_assert(fo_reader_ok(&reader));
}
END_TEST

START_TEST(what_is_written_is_read)
{
    uint8_t *bytes = exactly(sizeof sample);
    struct fo_writer writer;
    memset(bytes, 0xaa, sizeof sample);
    fo_writer_init(&writer, bytes, sizeof sample);
    fo_write_u8(&writer, 0x01);
    fo_write_u16(&writer, 0x0203);
    fo_write_u32(&writer, UINT32_C(0x84858687));
    fo_write_bytes(&writer, sample + 7, 3);
    ck_assert(fo_writer_ok(&writer));
    ck_assert_uint_eq(fo_writer_length(&writer), sizeof sample);
    ck_assert_mem_eq(bytes, sample, sizeof sample);
    free(bytes);
}
END_TEST

/* One read of `size` bytes with `left` there. True where it was let through. */
static bool read_one(size_t size, size_t left)
{
    uint8_t *bytes = exactly(left);
    struct fo_reader reader;
    uint32_t value = 0;
    fo_reader_init(&reader, bytes, left);
    switch (size) {
    case 1:
        value = fo_read_u8(&reader);
        break;
    case 2:
        value = fo_read_u16(&reader);
        break;
    case 4:
        value = fo_read_u32(&reader);
        break;
    default:
        value = fo_read_bytes(&reader, size) != NULL;
    }
    bool ok = fo_reader_ok(&reader);
    ck_assert(ok || value == 0);
    ck_assert_uint_eq(fo_reader_left(&reader), ok ? left - size : 0);
    free(bytes);
    return ok;
}

START_TEST(reads_end_where_the_buffer_ends)
{
    static const size_t sizes[] = {1, 2, 4, 3, 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t left = 0; left <= sizeof sample; left++)
            ck_assert_int_eq(read_one(sizes[i], left), left >= sizes[i]);
}
END_TEST

static bool write_one(size_t size, size_t left)
{
    uint8_t *bytes = exactly(left);
    struct fo_writer writer;
    fo_writer_init(&writer, bytes, left);
    switch (size) {
    case 1:
        fo_write_u8(&writer, 1);
        break;
    case 2:
        fo_write_u16(&writer, 1);
        break;
    case 4:
        fo_write_u32(&writer, 1);
        break;
    default:
        fo_write_bytes(&writer, sample, size);
    }
    bool ok = fo_writer_ok(&writer);
    ck_assert_uint_eq(fo_writer_length(&writer), ok ? size : 0);
    free(bytes);
    return ok;
}

START_TEST(writes_end_where_the_buffer_ends)
{
    static const size_t sizes[] = {1, 2, 4, 3, 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t left = 0; left <= sizeof sample; left++)
            ck_assert_int_eq(write_one(sizes[i], left), left >= sizes[i]);
}
END_TEST

START_TEST(a_read_error_sticks)
{
    struct fo_reader reader;
    fo_reader_init(&reader, sample, 3);
    ck_assert_uint_eq(fo_read_u32(&reader), 0);
    ck_assert(!fo_reader_ok(&reader));
    /* The bytes are there, but after the error nobody may rely on the position. */
    ck_assert_uint_eq(fo_read_u8(&reader), 0);
    ck_assert_uint_eq(fo_read_u16(&reader), 0);
    ck_assert_ptr_null(fo_read_bytes(&reader, 1));
    ck_assert_ptr_null(fo_read_bytes(&reader, 0));
    ck_assert_uint_eq(fo_reader_left(&reader), 0);
    ck_assert(!fo_reader_ok(&reader));
}
END_TEST

START_TEST(a_write_error_sticks)
{
    uint8_t bytes[3] = {0};
    struct fo_writer writer;
    fo_writer_init(&writer, bytes, sizeof bytes);
    fo_write_bytes(&writer, sample, 4);
    ck_assert(!fo_writer_ok(&writer));
    fo_write_u8(&writer, 0x55);
    fo_write_bytes(&writer, sample, 0);
    ck_assert(!fo_writer_ok(&writer));
    ck_assert_uint_eq(fo_writer_length(&writer), 0);
    ck_assert_uint_eq(bytes[0], 0);
}
END_TEST

START_TEST(nothing_can_be_read_and_written)
{
    struct fo_reader reader;
    struct fo_writer writer;
    fo_reader_init(&reader, NULL, 0);
    ck_assert_ptr_nonnull(fo_read_bytes(&reader, 0));
    ck_assert(fo_reader_ok(&reader));
    ck_assert_uint_eq(fo_read_u8(&reader), 0);
    ck_assert(!fo_reader_ok(&reader));
    fo_writer_init(&writer, NULL, 0);
    fo_write_bytes(&writer, NULL, 0);
    ck_assert(fo_writer_ok(&writer));
    fo_write_u8(&writer, 1);
    ck_assert(!fo_writer_ok(&writer));
}
END_TEST

START_TEST(lengths_do_not_overflow)
{
    uint8_t byte = 0;
    struct fo_reader reader;
    struct fo_writer writer;
    fo_reader_init(&reader, sample, sizeof sample);
    fo_read_u8(&reader);
    ck_assert_ptr_null(fo_read_bytes(&reader, SIZE_MAX));
    fo_writer_init(&writer, &byte, 1);
    fo_write_bytes(&writer, sample, SIZE_MAX);
    ck_assert(!fo_writer_ok(&writer));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire");
    TCase *wire = tcase_create("wire");
    tcase_add_test(wire, numbers_are_in_network_byte_order);
    tcase_add_test(wire, what_is_written_is_read);
    tcase_add_test(wire, reads_end_where_the_buffer_ends);
    tcase_add_test(wire, writes_end_where_the_buffer_ends);
    tcase_add_test(wire, a_read_error_sticks);
    tcase_add_test(wire, a_write_error_sticks);
    tcase_add_test(wire, nothing_can_be_read_and_written);
    tcase_add_test(wire, lengths_do_not_overflow);
    suite_add_tcase(suite, wire);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
