/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Frames and messages made by hand, and what the draft says of each option, written down from it
 * once more. Each frame is decoded in a block exactly as large, so that AddressSanitizer sees a step
 * beyond its end.
 */
#ifndef FO_TESTS_UNIT_MESSAGES_BY_HAND_H
#define FO_TESTS_UNIT_MESSAGES_BY_HAND_H

#include <stdint.h>

#include "protocol/dialect.h"
#include "protocol/message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

extern const struct row rows[29];

bool has_updates(unsigned type);

struct frame {
    size_t length;
    uint8_t bytes[8192];
};

extern uint8_t filler[4096];
extern struct fo_message decoded, again, message;
extern struct fo_decode_error error;
extern uint8_t encoded[FO_MESSAGE_MAX];

void setup(void);
void put_number(struct frame *frame, uint32_t value, unsigned bytes);
void end(struct frame *frame);
void begin(struct frame *frame, unsigned type);

/* An option whose bytes are legal where its length is. */
void put(struct frame *frame, uint16_t code, size_t length);
void put_value(struct frame *frame, uint16_t code, uint32_t value, unsigned bytes);

/* A frame with one option where it belongs, `times` times. */
void one_option(struct frame *frame, unsigned type, const struct row *row, size_t length,
                       int times);
bool decode_bytes(const uint8_t *bytes, size_t length);
bool decode(const struct frame *frame);
size_t from_hex(const char *text, uint8_t *bytes, size_t most);
bool decode_hex(const char *text);

/* Adds an option to `message`, in its last transaction where it belongs there. */
void add(const struct row *row, size_t length);
void begin_message(unsigned type);

/* Every option that the message may have; the open-ended ones with `freely` bytes. */
void fill_message(unsigned type, bool most, size_t freely);
bool same_message(const struct fo_message *a, const struct fo_message *b);

/* Encodes `message` into blocks of exactly its size and one less; decodes and compares it. */
size_t round_trip(void);

#endif
