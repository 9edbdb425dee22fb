/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A bounds-checked reader and writer over a buffer, in network byte order (draft section 6). An
 * error sticks: after one read or write too many everything gives zeros, so that ten reads need
 * one check at their end.
 */
#ifndef FO_PROTOCOL_WIRE_H
#define FO_PROTOCOL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fo_reader {
    const uint8_t *data;
    size_t length;
    size_t at;
    bool failed;
};

struct fo_writer {
    uint8_t *data;
    size_t capacity;
    size_t at;
    bool failed;
};

void fo_reader_init(struct fo_reader *reader, const uint8_t *data, size_t length);
bool fo_reader_ok(const struct fo_reader *reader);
size_t fo_reader_left(const struct fo_reader *reader); /* 0 after an error */
uint8_t fo_read_u8(struct fo_reader *reader);
uint16_t fo_read_u16(struct fo_reader *reader);
uint32_t fo_read_u32(struct fo_reader *reader);
/* The next `length` bytes where they lie; NULL where there are not so many. */
const uint8_t *fo_read_bytes(struct fo_reader *reader, size_t length);

void fo_writer_init(struct fo_writer *writer, uint8_t *data, size_t capacity);
bool fo_writer_ok(const struct fo_writer *writer);
size_t fo_writer_length(const struct fo_writer *writer); /* 0 after an error */
void fo_write_u8(struct fo_writer *writer, uint8_t value);
void fo_write_u16(struct fo_writer *writer, uint16_t value);
void fo_write_u32(struct fo_writer *writer, uint32_t value);
void fo_write_bytes(struct fo_writer *writer, const uint8_t *bytes, size_t length);

#endif
