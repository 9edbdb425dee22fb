/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Updates that are not accepted (7.1.3, 12.21). Ours: which of the partner's we reject, for want of which
 * information, or for their address. The partner's: one of ours is tried again every five minutes, not
 * sooner and not without end, and the operator sees the disagreement.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/still_partner.h"

enum { FIRST = 0x0a000040, SIZE = 64, ALIEN = FIRST + 0x100, NOBODYS = FIRST + 0x200, MCLT = 60 };

static struct fo_service *service;
static struct fo_relationship *relationship;
static struct fo_pool *pool;
static struct fo_config config;
static const uint8_t hardware[] = {1, 2, 0, 0, 0, 0, 9}; /* with its type */

/* One pool of the relationship's, one of a subnet that no relationship governs. */
static void setup(void)
{
    static uint32_t governed[] = {1};
    struct fo_pool_range ranges[] = {{FIRST, FIRST + SIZE - 1, 1, 1}, {ALIEN, ALIEN + 63, 2, 2}};
    uint32_t subnets[] = {1, 2}, networks[] = {1, 2};
    const struct fo_topology topology = {.pools = ranges, .pool_count = 2, .subnets = subnets,
                                         .networks = networks, .subnet_count = 2,
                                         .persistent = true};
    still_configuration(true, &config);
    config.relationships[0].subnets = malloc(sizeof governed);
    memcpy(config.relationships[0].subnets, governed, sizeof governed);
    config.relationships[0].subnet_count = 1;
    service = still_start(&config, &topology);
    still_partner_start(service);
    relationship = service->relationships[0];
    pool = fo_table_pool(&service->table, FIRST);
}

static void teardown(void)
{
    still_stop(service);
    fo_config_free(&config);
}

static uint32_t now(void)
{
    return fo_service_now(service).seconds;
}

static void settle(void)
{
    static struct fo_row row;
    for (int i = 0; i < 3; i++) {
        still.ms += FO_COMMIT_LOADED_MS;
        still_partner_settle(service);
        while (fo_rows_next(service, &row))
            fo_rows_done(service, &row, NULL, NULL);
    }
    still_partner_settle(service);
}

static uint32_t partners_address(void)
{
    return FIRST + fo_bitmap_next(&pool->backup, 0);
}

/* ------------------------------------------------------------------ what we reject */

#define CLIENT FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS)
#define IDENTIFIER FO_HAS(FO_OPT_CLIENT_IDENTIFIER)
#define STATUS FO_HAS(FO_OPT_BINDING_STATUS)
#define END FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME)
#define POTENTIAL FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME)
#define TRANSACTION FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME)
#define ALL (STATUS | CLIENT | END | POTENTIAL | TRANSACTION)

/* Over a free address, which takes everything that is complete (figure 7.1.3-1). Tables 7.1-1 and 7.1.1-1:
   what an ACTIVE lacks cannot be made up; ended bindings say whose they were only where they can. */
static const struct {
    enum fo_binding_status status;
    uint32_t present;
    enum fo_reject_reason reason;
} table[] = {
    {FO_ACTIVE, ALL, FO_REJECT_NONE},
    {FO_ACTIVE, ALL | IDENTIFIER, FO_REJECT_NONE},
    {FO_ACTIVE, ALL & ~STATUS, FO_REJECT_MISSING_INFORMATION},
    {FO_ACTIVE, 0, FO_REJECT_MISSING_INFORMATION},
    {FO_ACTIVE, ALL & ~CLIENT, FO_REJECT_MISSING_INFORMATION},
    {FO_ACTIVE, (ALL & ~CLIENT) | IDENTIFIER, FO_REJECT_MISSING_INFORMATION},
    {FO_ACTIVE, ALL & ~END, FO_REJECT_MISSING_INFORMATION},
    {FO_ACTIVE, ALL & ~POTENTIAL, FO_REJECT_MISSING_INFORMATION},
    {FO_ACTIVE, ALL & ~TRANSACTION, FO_REJECT_NONE}, /* it has a meaning of its own in 7.1.3 */
    {FO_EXPIRED, STATUS | CLIENT, FO_REJECT_NONE},
    {FO_EXPIRED, STATUS, FO_REJECT_NONE},
    {FO_EXPIRED, CLIENT, FO_REJECT_MISSING_INFORMATION},
    {FO_RELEASED, STATUS | CLIENT | TRANSACTION, FO_REJECT_NONE},
    {FO_RELEASED, STATUS, FO_REJECT_NONE},
    {FO_RESET, STATUS, FO_REJECT_NONE},
    {FO_ABANDONED, STATUS, FO_REJECT_NONE},
    {FO_ABANDONED, STATUS | CLIENT, FO_REJECT_NONE}, /* "MUST NOT", but nothing is missing */
    {FO_FREE, STATUS, FO_REJECT_NONE},
    {FO_BACKUP, STATUS, FO_REJECT_NONE},
    {FO_BACKUP, CLIENT, FO_REJECT_MISSING_INFORMATION},
};

static struct fo_update update_of(uint32_t address, enum fo_binding_status status, uint32_t present)
{
    return (struct fo_update){
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | present,
        .address = address, .status = (uint8_t)status,
        .hardware_address = {hardware, sizeof hardware}, .client_identifier = {hardware, 7},
        .lease_expiration = now() + MCLT, .potential_expiration = now() + 2 * MCLT,
        .client_last_transaction = now()};
}

START_TEST(what_is_missing)
{
    const uint32_t address = partners_address();
    const enum fo_binding_status before = fo_table_status(&service->table, pool, address);
    const struct fo_update update = update_of(address, table[_i].status, table[_i].present);
    still_partner_says(&update);
    settle();
    ck_assert_uint_eq(still_partner_accepted() + still_partner_rejected(), 1);
    ck_assert_int_eq(still_partner_reason(), table[_i].reason);
    ck_assert(still_partner_connected());
    if (table[_i].reason == FO_REJECT_NONE)
        return;
    ck_assert_int_eq(fo_table_status(&service->table, pool, address), before);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_REFUSED], 1);
    ck_assert_ptr_nonnull(strstr(still.words[FAILOVER_UPDATE_REFUSED],
                                 "Missing binding information"));
}
END_TEST

/* "Illegal IP address (not part of any address pool)"; nor one of others' subnets. What is missing of
   it besides does not matter. What is in no pool at all is kept, should it be in one of ours some day. */
START_TEST(foreign_addresses)
{
    static const uint32_t addresses[] = {ALIEN + 5, NOBODYS, FIRST - 1, FIRST + SIZE, 0, UINT32_MAX};
    static const bool kept[] = {false, true, true, true, false, false};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        for (unsigned complete = 0; complete < 2; complete++) {
            const struct fo_update update =
                update_of(addresses[i], FO_ACTIVE, complete ? ALL : STATUS);
            still_partner_says(&update);
            settle();
            ck_assert_uint_eq(still_partner_rejected(), 2 * i + complete + 1);
            ck_assert_int_eq(still_partner_reason(), FO_REJECT_ILLEGAL_ADDRESS);
            ck_assert_int_eq(fo_table_find(&service->table, addresses[i]) != NULL, complete && kept[i]);
            ck_assert_int_eq(fo_table_past(&service->table, addresses[i]) != NULL, complete && kept[i]);
        }
    ck_assert(still_partner_connected());
}
END_TEST

/* One bad binding in a BNDUPD is that one's fault. */
START_TEST(the_others_of_a_message_are_accepted)
{
    const uint32_t address = partners_address();
    const struct fo_update updates[] = {update_of(address, FO_ACTIVE, ALL & ~END),
                                        update_of(NOBODYS, FO_ACTIVE, ALL),
                                        update_of(address + 1, FO_ACTIVE, ALL)};
    for (size_t i = 0; i < 3; i++)
        still_partner_says(&updates[i]);
    settle();
    ck_assert_uint_eq(still_partner_accepted(), 1);
    ck_assert_uint_eq(still_partner_rejected(), 2);
    ck_assert_int_eq(fo_table_status(&service->table, pool, address + 1), FO_ACTIVE);
}
END_TEST

/* ------------------------------------------------------------------ what the partner rejects */

static unsigned told(uint32_t address)
{
    enum fo_binding_status last;
    return still_partner_told(address, &last);
}

static struct fo_relationship_status status(void)
{
    static struct fo_relationship_status found;
    ck_assert(fo_relationship_status(service, 0, &found));
    return found;
}

/* Time passes, and both are heard often enough to keep the connection. */
static void pass(int64_t ms)
{
    for (const int64_t end = still.ms + ms; still.ms < end;) {
        still.ms += ms < 10000 ? ms : 10000;
        settle();
    }
}

START_TEST(a_rejected_update_is_tried_again_every_five_minutes)
{
    const uint32_t address = FIRST + 3;
    still_partner_rejects(address, FO_REJECT_UNKNOWN);
    fo_touch(service, pool, address);
    settle();
    const unsigned first = told(address);
    ck_assert_uint_ge(first, 1);
    for (int i = 0; i < 20; i++)
        settle();
    ck_assert_uint_eq(told(address), first);
    for (unsigned i = 1; i <= 3; i++) {
        pass(FO_REJECTED_RETRY_MS);
        ck_assert_uint_ge(told(address), first + i - 1);
        ck_assert_uint_le(told(address), first + i);
    }
    still_partner_rejects(address, FO_REJECT_NONE);
    pass(FO_REJECTED_RETRY_MS);
    const unsigned last = told(address);
    ck_assert_uint_eq(status().rejected, 0);
    pass(2 * FO_REJECTED_RETRY_MS);
    ck_assert_uint_eq(told(address), last);
    ck_assert(still_partner_connected());
}
END_TEST

/* A partner whose pools have changed meanwhile tells that before it has answered: what was judged by the
   pools before is sent again at once, and is nothing to warn of. What comes afterwards is. */
START_TEST(the_news_of_pools_overtakes_a_verdict)
{
    const uint32_t address = FIRST + 3;
    const unsigned left = (unsigned)_i;
    still_partner_hold(true);
    still_partner_rejects(address, FO_REJECT_ILLEGAL_ADDRESS);
    fo_touch(service, pool, address);
    settle();
    const unsigned before = told(address);
    ck_assert_uint_ge(before, 1);
    still_partner_pools(FIRST, FIRST + SIZE - 1);
    settle();
    if (left == 0)
        still_partner_rejects(address, FO_REJECT_NONE);
    still_partner_hold(false);
    settle();
    ck_assert_uint_eq(told(address), before + 1);
    ck_assert_uint_eq(status().rejected, left);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_OUTSIDE_PARTNERS_POOLS], left);
    settle();
    ck_assert_uint_eq(told(address), before + 1);
}
END_TEST

START_TEST(a_disagreement_can_be_seen)
{
    const uint32_t address = FIRST + 3, other = FIRST + 5;
    ck_assert_uint_eq(status().rejected_example.address, 0);
    still_partner_rejects(address, FO_REJECT_NOT_RESERVED);
    fo_touch(service, pool, address);
    settle();
    struct fo_relationship_status seen = status();
    ck_assert_uint_eq(seen.rejected, 1);
    ck_assert_uint_eq(seen.rejected_example.address, address);
    ck_assert_uint_eq(seen.rejected_example.reason, FO_REJECT_NOT_RESERVED);
    ck_assert_str_eq(seen.rejected_reason, fo_reject_name(FO_REJECT_NOT_RESERVED));
    ck_assert_ptr_nonnull(strstr(fo_reject_name(FO_REJECT_NOT_RESERVED),
                                 seen.rejected_example.text)); /* cut, on the way */
    ck_assert_uint_le(now() - seen.rejected_example.time, 2);
    /* What is only outdated does not hide it ... */
    still_partner_rejects(other, FO_REJECT_OUTDATED);
    fo_touch(service, pool, other);
    settle();
    seen = status();
    ck_assert_uint_eq(seen.rejected, 2);
    ck_assert_uint_eq(seen.rejected_example.address, address);
    /* ... and is seen when that is settled, be it without its reason. */
    fo_settle(service, pool, address);
    settle();
    seen = status();
    ck_assert_uint_eq(seen.rejected, 1);
    ck_assert_uint_eq(seen.rejected_example.address, other);
    fo_settle(service, pool, other);
    ck_assert_uint_eq(status().rejected_example.address, 0);
}
END_TEST

/* What it says is printed in a terminal. */
START_TEST(the_partners_words_are_made_harmless)
{
    const uint32_t address = FIRST + 3;
    uint8_t words[300];
    memset(words, 'w', sizeof words);
    words[1] = 27;
    words[2] = 0;
    words[3] = 0xff;
    const struct fo_acknowledgement ack = {
        .address = address, .reject_reason = FO_REJECT_OTHER, .text = {words, sizeof words}};
    fo_bitmap_set(&pool->unacked, address - FIRST);
    fo_take_acknowledgement(relationship, &ack);
    const struct fo_relationship_status seen = status();
    ck_assert_uint_eq(strlen(seen.rejected_example.text), 100);
    ck_assert_int_eq(strncmp(seen.rejected_example.text, "w???w", 5), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rejects");
    TCase *all = tcase_create("rejects");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_loop_test(all, what_is_missing, 0, sizeof table / sizeof table[0]);
    tcase_add_test(all, foreign_addresses);
    tcase_add_test(all, the_others_of_a_message_are_accepted);
    tcase_add_test(all, a_rejected_update_is_tried_again_every_five_minutes);
    tcase_add_loop_test(all, the_news_of_pools_overtakes_a_verdict, 0, 2);
    tcase_add_test(all, a_disagreement_can_be_seen);
    tcase_add_test(all, the_partners_words_are_made_harmless);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
