/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* One division, one threshold, and the help for a server that ran out. */
#include "protocol/balance.h"

static int64_t at_most(int64_t move)
{
    return move > FO_BALANCE_MOST ? FO_BALANCE_MOST : move < -FO_BALANCE_MOST ? -FO_BALANCE_MOST : move;
}

static int64_t secondary_percent(const struct fo_balance_input *input)
{
    int64_t percent = 100 - (int64_t)(input->primary_percent > 100 ? 100 : input->primary_percent);
    int64_t reserve = input->reserve_percent > 100 ? 100 : input->reserve_percent;
    return percent < reserve ? reserve : percent > 100 - reserve ? 100 - reserve : percent;
}

/* As many addresses; whoever is due something, one at least. */
static int64_t secondary_share(int64_t total, int64_t percent)
{
    int64_t share = total * percent / 100;
    if (total >= 2 && share == 0 && percent > 0)
        share = 1;
    if (total >= 2 && share == total && percent < 100)
        share = total - 1;
    return share;
}

/* A difference of so many is left alone: half of a small share is much of it. */
static int64_t threshold(int64_t total, int64_t share)
{
    int64_t most = total * FO_BALANCE_THRESHOLD / 100;
    int64_t lesser = share < total - share ? share : total - share;
    most = most < lesser / 2 ? most : lesser / 2;
    return most > 1 ? most : 1;
}

int64_t fo_balance(const struct fo_balance_input *input)
{
    int64_t total = (int64_t)input->free + input->backup;
    int64_t percent = secondary_percent(input);
    int64_t share = secondary_share(total, percent);
    int64_t move = share - (int64_t)input->backup;
    bool no_reserve = input->reserve_percent == 0; /* and none is wanted */
    bool primary_helped = input->primary_refused && !(no_reserve && percent == 100);
    bool secondary_helped = input->secondary_refused && !(no_reserve && percent == 0);
    /* One that has nothing and had to refuse gets its share, rounded up to an address, even the
       last one; where both did, the shares decide. */
    if (secondary_helped && !primary_helped && input->backup == 0 && total > 0)
        return at_most(move > 1 ? move : 1);
    if (primary_helped && !secondary_helped && input->free == 0 && total > 0)
        return at_most(-move > 1 ? move : -1);
    /* One that has nothing and is due something does not wait until it has to refuse, but for the
       last address, which would go to and fro. */
    if (total >= 2 && (input->backup == 0 || input->free == 0))
        return at_most(move);
    return move > threshold(total, share) || -move > threshold(total, share) ? at_most(move) : 0;
}
