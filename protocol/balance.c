/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* One division, one threshold, and the help for a server that ran out. */
#include "protocol/balance.h"

static int64_t at_most(int64_t move)
{
    return move > FO_BALANCE_MOST ? FO_BALANCE_MOST : move < -FO_BALANCE_MOST ? -FO_BALANCE_MOST : move;
}

static int64_t secondary_share(const struct fo_balance_input *input)
{
    int64_t total = (int64_t)input->free + input->backup;
    int64_t percent = 100 - (int64_t)(input->primary_percent > 100 ? 100 : input->primary_percent);
    if (percent < FO_BALANCE_LEAST)
        percent = FO_BALANCE_LEAST;
    if (percent > 100 - FO_BALANCE_LEAST)
        percent = 100 - FO_BALANCE_LEAST;
    int64_t share = total * percent / 100;
    if (total >= 2 && share == 0)
        share = 1;
    if (total >= 2 && share == total)
        share = total - 1;
    return share;
}

int64_t fo_balance(const struct fo_balance_input *input)
{
    int64_t total = (int64_t)input->free + input->backup;
    int64_t share = secondary_share(input);
    int64_t move = share - (int64_t)input->backup;
    int64_t threshold = total * FO_BALANCE_THRESHOLD / 100;
    if (threshold < 1)
        threshold = 1;
    /* One that has nothing and had to refuse gets its share, rounded up to an address, even the
       last one; where both did, the shares decide. */
    if (input->secondary_refused && !input->primary_refused && input->backup == 0 && total > 0)
        return at_most(move > 1 ? move : 1);
    if (input->primary_refused && !input->secondary_refused && input->free == 0 && total > 0)
        return at_most(-move > 1 ? move : -1);
    return move > threshold || -move > threshold ? at_most(move) : 0;
}
