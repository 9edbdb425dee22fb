/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Numbers and byte strings, in network byte order, out of a buffer and into one (draft section 6).
 * It knows nothing of messages and options; message.c does.
 *
 * Every access to a frame's bytes goes through `take` or `room`, which alone compare with the
 * bounds: what is left is never computed by an addition that could overflow. An error sticks, so
 * that a caller reads or writes to the end and asks once whether all was well.
 */
#include "protocol/wire.h"

#include <string.h>

static const uint8_t *take(struct fo_reader *reader, size_t length)
{
    if (reader->failed || length > reader->length - reader->at) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->data + reader->at;
    reader->at += length;
    return bytes;
}

void fo_reader_init(struct fo_reader *reader, const uint8_t *data, size_t length)
{
    static const uint8_t nothing[1];
    *reader = (struct fo_reader){.data = data != NULL ? data : nothing,
                                 .length = data != NULL ? length : 0};
}

bool fo_reader_ok(const struct fo_reader *reader)
{
    return !reader->failed;
}

size_t fo_reader_left(const struct fo_reader *reader)
{
    return reader->failed ? 0 : reader->length - reader->at;
}

uint8_t fo_read_u8(struct fo_reader *reader)
{
    const uint8_t *b = take(reader, 1);
    return b ? b[0] : 0;
}

uint16_t fo_read_u16(struct fo_reader *reader)
{
    const uint8_t *b = take(reader, 2);
    if (b == NULL)
        return 0;
    return (uint16_t)(b[0] << 8 | b[1]);
}

uint32_t fo_read_u32(struct fo_reader *reader)
{
    const uint8_t *b = take(reader, 4);
    return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

const uint8_t *fo_read_bytes(struct fo_reader *reader, size_t length)
{
    return take(reader, length);
}

static uint8_t *room(struct fo_writer *writer, size_t length)
{
    if (writer->failed || length > writer->capacity - writer->at) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *bytes = writer->data + writer->at;
    writer->at += length;
    return bytes;
}

void fo_writer_init(struct fo_writer *writer, uint8_t *data, size_t capacity)
{
    *writer = (struct fo_writer){.data = data, .capacity = capacity};
}

bool fo_writer_ok(const struct fo_writer *writer)
{
    return !writer->failed;
}

size_t fo_writer_length(const struct fo_writer *writer)
{
    return writer->failed ? 0 : writer->at;
}

void fo_write_u8(struct fo_writer *writer, uint8_t value)
{
    uint8_t *b = room(writer, 1);
    if (b != NULL)
        b[0] = value;
}

void fo_write_u16(struct fo_writer *writer, uint16_t value)
{
    fo_write_u8(writer, (uint8_t)(value >> 8));
    fo_write_u8(writer, (uint8_t)value);
}

void fo_write_u32(struct fo_writer *writer, uint32_t value)
{
    fo_write_u16(writer, (uint16_t)(value >> 16));
    fo_write_u16(writer, (uint16_t)value);
}

void fo_write_bytes(struct fo_writer *writer, const uint8_t *bytes, size_t length)
{
    uint8_t *b = length > 0 ? room(writer, length) : NULL;
    if (b != NULL)
        memcpy(b, bytes, length);
}
