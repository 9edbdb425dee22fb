/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Load balancing by RFC 3074 (draft sections 5.3, 9.8.2 and 12.11): which of 256 buckets a client
 * falls into, and which server has the bucket.
 *
 * The hash is Pearson's: it starts with the key's length and goes over the key's bytes from the
 * last to the first. Kea's own HA and ISC dhcpd compute the same, so that a partner of another
 * make agrees about every client. The bits of an assignment count from the least significant of
 * the first byte on, as dhcpd has them; whose a one bit is depends on the dialect.
 */
#include "protocol/hash_bucket.h"

#include <string.h>

static const uint8_t pearson[256] = {
    251, 175, 119, 215,  81,  14,  79, 191, 103,  49, 181, 143, 186, 157,   0, 232,
     31,  32,  55,  60, 152,  58,  17, 237, 174,  70, 160, 144, 220,  90,  57, 223,
     59,   3,  18, 140, 111, 166, 203, 196, 134, 243, 124,  95, 222, 179, 197,  65,
    180,  48,  36,  15, 107,  46, 233, 130, 165,  30, 123, 161, 209,  23,  97,  16,
     40,  91, 219,  61, 100,  10, 210, 109, 250, 127,  22, 138,  29, 108, 244,  67,
    207,   9, 178, 204,  74,  98, 126, 249, 167, 116,  34,  77, 193, 200, 121,   5,
     20, 113,  71,  35, 128,  13, 182,  94,  25, 226, 227, 199,  75,  27,  41, 245,
    230, 224,  43, 225, 177,  26, 155, 150, 212, 142, 218, 115, 241,  73,  88, 105,
     39, 114,  62, 255, 192, 201, 145, 214, 168, 158, 221, 148, 154, 122,  12,  84,
     82, 163,  44, 139, 228, 236, 205, 242, 217,  11, 187, 146, 159,  64,  86, 239,
    195,  42, 106, 198, 118, 112, 184, 172,  87,   2, 173, 117, 176, 229, 247, 253,
    137, 185,  99, 164, 102, 147,  45,  66, 231,  52, 141, 211, 194, 206, 246, 238,
     56, 110,  78, 248,  63, 240, 189,  93,  92,  51,  53, 183,  19, 171,  72,  50,
     33, 104, 101,  69,   8, 252,  83, 120,  76, 135,  85,  54, 202, 125, 188, 213,
     96, 235, 136, 208, 162, 129, 190, 132, 156,  38,  47,   1,   7, 254,  24,   4,
    216, 131,  89,  21,  28, 133,  37, 153, 149,  80, 170,  68,   6, 169, 234, 151,
};

uint8_t fo_hash_bucket(const uint8_t *key, size_t length)
{
    uint8_t hash = (uint8_t)length;
    if (length == 0)
        return 0;
    for (size_t i = length; i-- > 0;)
        hash = pearson[hash ^ key[i]];
    return hash;
}

void fo_hash_buckets_divide(unsigned primary_percent, uint8_t buckets[32])
{
    unsigned primarys = 256 * (primary_percent > 100 ? 100 : primary_percent) / 100;
    memset(buckets, 0, 32);
    for (unsigned bucket = primarys; bucket < 256; bucket++)
        buckets[bucket / 8] |= (uint8_t)(1 << (bucket % 8));
}

bool fo_hash_buckets_contain(const uint8_t buckets[32], uint8_t bucket)
{
    return (buckets[bucket / 8] >> (bucket % 8) & 1) != 0;
}

unsigned fo_hash_buckets_count(const uint8_t buckets[32])
{
    unsigned count = 0;
    for (unsigned bucket = 0; bucket < 256; bucket++)
        count += fo_hash_buckets_contain(buckets, (uint8_t)bucket);
    return count;
}
