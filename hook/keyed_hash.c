/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * SipHash-2-4 as Aumasson and Bernstein define it: four words of state, two rounds for each eight
 * bytes, the last word carries the length, four rounds at the end. Bytes are put together by hand,
 * so the result is the same on any machine.
 */
#include "hook/keyed_hash.h"

static uint64_t turned_left(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

static void rounds(uint64_t v[4], unsigned count)
{
    while (count-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = turned_left(v[1], 13) ^ v[0];
        v[3] = turned_left(v[3], 16) ^ v[2];
        v[0] = turned_left(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = turned_left(v[1], 17) ^ v[2];
        v[3] = turned_left(v[3], 21) ^ v[0];
        v[2] = turned_left(v[2], 32);
    }
}

/* Up to eight bytes, the first one lowest. */
static uint64_t word_of(const uint8_t *data, size_t length)
{
    uint64_t word = 0;
    for (size_t i = 0; i < length; i++)
        word |= (uint64_t)data[i] << 8 * i;
    return word;
}

static void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

uint64_t fo_keyed_hash(const struct fo_hash_key *key, const uint8_t *data, size_t length)
{
    /* "somepseudorandomlygeneratedbytes" */
    uint64_t v[4] = {key->words[0] ^ UINT64_C(0x736f6d6570736575),
                     key->words[1] ^ UINT64_C(0x646f72616e646f6d),
                     key->words[0] ^ UINT64_C(0x6c7967656e657261),
                     key->words[1] ^ UINT64_C(0x7465646279746573)};
    size_t whole = length - length % 8;
    for (size_t at = 0; at < whole; at += 8)
        absorb(v, word_of(data + at, 8));
    absorb(v, (length % 8 ? word_of(data + whole, length % 8) : 0) | (uint64_t)length << 56);
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
