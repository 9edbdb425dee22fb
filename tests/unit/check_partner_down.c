/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * PARTNER-DOWN (9.4): which addresses may be given to whom, when, and for how long; what an operator
 * is told who says that the partner is down; and when it says so itself.
 *
 * One server alone in a still environment, as primary and as secondary. Every second free address is
 * the partner's.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/service_internal.h"
#include "tests/unit/still_env.h"

enum {
    FIRST = 0x0a000040, SIZE = 8, LAST = FIRST + SIZE - 1, MCLT = 60, GUARD = FO_EXPIRY_GUARD,
    DISCOVER = 1, REQUEST = 3, RELEASE = 7, DESIRED = 600,
};

static struct fo_service *service;
static struct fo_relationship *relationship;
static struct fo_config config;
static uint8_t hardware[6] = {2};
static struct fo_query query;
static struct fo_decision decision;
static char text[512];

static uint32_t now(void)
{
    return (uint32_t)(STILL_SECONDS + still.ms / 1000);
}

static struct fo_topology pools(bool one)
{
    static struct fo_pool_range range = {FIRST, LAST, SUBNET, 0};
    return still_topology(&range, one);
}

/* The configuration, with its pool or without. */
static void load(bool pool)
{
    const struct fo_topology topology = pools(pool);
    still_configure(service, &config, &topology);
}

static void begin(bool primary)
{
    const struct fo_topology topology = pools(true);
    still_configuration(primary, &config);
    config.relationships[0].partner_down_full_time = true;
    service = still_start(&config, &topology);
    relationship = service->relationships[0];
    relationship->endpoint.starting = false;
    relationship->endpoint.record.state = FO_STATE_COMMUNICATIONS_INTERRUPTED;
    relationship->endpoint.record.need_all = false;
    for (uint32_t address = FIRST + 1; address <= LAST; address += 2)
        fo_table_set_owner(&service->table, &service->table.pools[0], address, true);
    still_later(service, 1000);
    still_later(service, 1000);
}

static void end(void)
{
    fo_claim_release(service, &decision.claim);
    still_stop(service);
    fo_config_free(&config);
}

static enum fo_answer ask(unsigned client, uint8_t type, uint32_t address)
{
    hardware[5] = (uint8_t)client;
    query = (struct fo_query){
        .client = {.hardware = hardware, .hardware_type = 1, .hardware_length = 6},
        .message_type = type};
    if (type == RELEASE)
        query.ciaddr = address;
    else if (type == REQUEST)
        query.names_server = query.asks_address = true;
    query.asked_address = type == REQUEST ? address : 0;
    fo_query_received(service, &query, &decision);
    if (decision.answer == FO_PASS && type != RELEASE)
        fo_subnet_selected(service, SUBNET, &query, NULL, NULL, &decision);
    return decision.answer;
}

/* What the client is offered, 0: nothing. */
static uint32_t offered(unsigned client)
{
    return ask(client, DISCOVER, 0) == FO_PASS ? decision.address : 0;
}

/* The length of the lease that the client gets on an address, 0: none. */
static uint32_t leased(unsigned client, uint32_t address)
{
    uint32_t length = DESIRED, row_length = 0;
    if (ask(client, REQUEST, address) != FO_PASS || decision.claim.address != address)
        return 0;
    ck_assert_int_eq(fo_lease_requested(service, SUBNET, &query, &decision, address, &length),
                     FO_PASS);
    ck_assert_int_eq(fo_committed(service, SUBNET, &query, &decision, now(), length, DESIRED,
                                  NULL, &row_length), FO_PASS);
    fo_claim_release(service, &decision.claim);
    still_settle(service);
    return length;
}

/* Lets clients take all that there is, from number `client` on; how many did. */
static unsigned take_all(unsigned client)
{
    unsigned taken = 0;
    for (uint32_t address; (address = offered(client)) != 0; client++, taken++)
        ck_assert_uint_ne(leased(client, address), 0);
    return taken;
}

static bool order(bool has_since, uint32_t since, bool force, bool dry_run)
{
    const struct fo_partner_down_order down = {.has_since = has_since, .since = since,
                                               .force = force, .dry_run = dry_run};
    bool done = fo_partner_down(service, &down, text, sizeof text);
    still_settle(service);
    return done;
}

/* Kea's rows follow, which nobody writes here. */
static void rows_follow(void)
{
    fo_bitmap_clear_all(&service->table.pools[0].rows);
}

static enum fo_binding_status status(uint32_t address)
{
    return fo_table_status(&service->table, &service->table.pools[0], address);
}

START_TEST(the_partners_addresses_are_ours_after_the_mclt)
{
    begin(_i == 0);
    ck_assert(order(false, 0, false, false));
    ck_assert_uint_eq(take_all(1), SIZE / 2);
    still_later(service, (MCLT + GUARD - 1) * 1000);
    ck_assert_uint_eq(offered(100), 0);
    still_later(service, 2000);
    ck_assert_uint_eq(still.said[FAILOVER_TAKES_ALL], 1);
    /* The leases of the first four, never renewed, are over by now, but not their waits. */
    ck_assert_uint_eq(take_all(100), SIZE / 2);
    end();
}
END_TEST

/* 9.4.2: from when the partner went down, where that is known. */
START_TEST(down_since_counts)
{
    begin(true);
    relationship->endpoint.record.last_contact = now() - 50;
    ck_assert(!order(true, now() - 51, false, false));
    ck_assert_ptr_nonnull(strstr(text, "last message"));
    ck_assert(!order(true, now() + 1, false, false));
    ck_assert_ptr_nonnull(strstr(text, "future"));
    ck_assert(order(true, now() - 50, false, true)); /* would be */
    ck_assert_int_eq(relationship->endpoint.record.state, FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert(order(true, now() - 50, false, false));
    ck_assert_uint_eq(take_all(1), SIZE / 2);
    still_later(service, (MCLT - 50 + GUARD + 1) * 1000);
    ck_assert_uint_eq(take_all(100), SIZE / 2);
    ck_assert(order(false, 0, false, false));
    ck_assert_ptr_nonnull(strstr(text, "already"));
    end();
}
END_TEST

/* 9.4.2, 7.1.5: another client only MCLT after all of the lease's times; the same one at once. */
START_TEST(an_ended_lease_waits)
{
    begin(true);
    const uint32_t address = offered(1);
    ck_assert_uint_eq(leased(1, address), MCLT);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    const uint32_t potential = binding->times.sent_potential;
    ck_assert(order(false, 0, false, false));
    ck_assert_uint_eq(take_all(2), SIZE / 2 - 1);
    still_later(service, (MCLT + GUARD + 1) * 1000);
    ck_assert_int_eq(status(address), FO_EXPIRED);
    ck_assert_uint_eq(take_all(100), SIZE / 2); /* the partner's; not those that have just ended */
    ck_assert_uint_eq(offered(1), address);
    still_later(service, ((int64_t)potential + MCLT + GUARD - 1 - now()) * 1000);
    ck_assert_int_eq(status(address), FO_EXPIRED);
    still_later(service, 3000);
    ck_assert_int_eq(status(address), FO_EXPIRED); /* its row goes first (rule of safety 2) */
    rows_follow();
    still_later(service, 4000);
    ck_assert_int_eq(status(address), FO_FREE);
    ck_assert_uint_eq(binding->times.sent_potential, 0);
    end();
}
END_TEST

/* One that had ended before the partner did. */
START_TEST(a_lease_that_had_ended_waits)
{
    begin(true);
    const uint32_t address = offered(1);
    ck_assert_uint_eq(leased(1, address), MCLT);
    still_later(service, (MCLT + GUARD + 1) * 1000);
    ck_assert_int_eq(status(address), FO_EXPIRED);
    const uint32_t potential = fo_table_find(&service->table, address)->times.sent_potential;
    ck_assert(order(false, 0, false, false));
    rows_follow();
    still_later(service, ((int64_t)potential + MCLT + GUARD - 1 - now()) * 1000);
    ck_assert_int_eq(status(address), FO_EXPIRED);
    still_later(service, 2000);
    ck_assert_int_eq(status(address), FO_FREE);
    end();
}
END_TEST

/* What is durable here counts as acknowledged: the first lease is MCLT long, then full ones are. */
START_TEST(full_lease_times)
{
    begin(true);
    relationship->config.partner_down_full_time = _i == 0;
    ck_assert(order(false, 0, false, false));
    const uint32_t address = offered(1);
    ck_assert_uint_eq(leased(1, address), MCLT);
    still_later(service, 30000);
    ck_assert_uint_eq(leased(1, address), _i == 0 ? DESIRED : MCLT);
    /* Rule of safety 13: bounded again from the first connection on. */
    relationship->endpoint.session.phase = FO_SESSION_ESTABLISHED;
    uint32_t length = DESIRED;
    ck_assert_int_eq(ask(1, REQUEST, address), FO_PASS);
    fo_lease_requested(service, SUBNET, &query, &decision, address, &length);
    relationship->endpoint.session.phase = FO_SESSION_CLOSED;
    ck_assert_uint_eq(length, MCLT);
    end();
}
END_TEST

START_TEST(a_connection_ends_the_taking)
{
    begin(_i == 0);
    ck_assert(order(false, 0, false, false));
    still_later(service, (MCLT + GUARD + 1) * 1000);
    ck_assert_uint_eq(service->table.pools[0].available.count +
                          service->table.pools[0].closed.count, SIZE);
    const uint32_t theirs = _i == 0 ? FIRST + 1 : FIRST;
    relationship->endpoint.session.phase = FO_SESSION_ESTABLISHED;
    fo_partner_down_follow(relationship);
    ck_assert(!fo_table_ours(&service->table, &service->table.pools[0], theirs));
    ck_assert_uint_eq(leased(1, theirs), 0);
    for (unsigned client = 1; client <= SIZE / 2; client++)
        ck_assert_uint_eq(offered(client) % 2, theirs % 2 ? 0 : 1);
    ck_assert_uint_eq(offered(SIZE), 0);
    relationship->endpoint.session.phase = FO_SESSION_CLOSED;
    fo_partner_down_follow(relationship);
    ck_assert_uint_eq(take_all(100), SIZE / 2); /* the others are held for those who were offered them */
    end();
}
END_TEST

/* The partner is in RECOVER: its UPDDONE waits for what a query has in hand. */
START_TEST(what_is_claimed_is_told_before_upddone)
{
    begin(true);
    ck_assert(order(false, 0, false, false));
    still_later(service, (MCLT + GUARD + 1) * 1000);
    ck_assert_int_eq(ask(1, REQUEST, FIRST + 1), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, FIRST + 1);
    ck_assert_uint_eq(fo_updates_requested(relationship, false), 1);
    ck_assert(fo_requested_left(relationship));
    end();
}
END_TEST

/* Rule of safety 12: until all that was promised under the larger one is over, and the partner has heard
   of the lower one. */
START_TEST(a_lowered_mclt_waits_for_old_promises)
{
    struct fo_endpoint_record *record;
    begin(true);
    record = &relationship->endpoint.record;
    const uint32_t address = offered(1);
    ck_assert_uint_eq(leased(1, address), MCLT);
    const uint32_t potential = fo_table_find(&service->table, address)->times.sent_potential;
    record->past_mclt = MCLT;
    record->past_until = UINT32_MAX;
    record->mclt = 10;
    ck_assert_uint_eq(leased(1, address), 10);
    still_later(service, 20000);
    ck_assert_uint_eq(record->past_until, UINT32_MAX);
    relationship->endpoint.count_at = INT64_MAX; /* nothing is said by a session that there is not */
    relationship->endpoint.communicating = true;
    still_later(service, 1000);
    relationship->endpoint.communicating = false;
    ck_assert_uint_ge(record->past_until, potential + MCLT + GUARD);
    ck_assert(order(false, 0, false, false));
    ck_assert_uint_eq(record->wait_until, now() + MCLT);
    still_later(service, ((int64_t)record->past_until - now() + 1) * 1000);
    ck_assert_uint_eq(record->past_mclt, 0);
    ck_assert_uint_eq(fo_endpoint_lead_time(&relationship->endpoint), MCLT); /* configured: primary */
    end();
}
END_TEST

/* Away for longer than the MCLT in this very state: the partner may have been alone meanwhile. An order
   ends the doubt, and its waits begin anew (rule of safety 9). */
START_TEST(an_order_after_a_long_stop_is_news)
{
    begin(true);
    ck_assert(order(false, 0, false, false));
    still_later(service, (MCLT + GUARD + 1) * 1000);
    relationship->alone = true;
    relationship->config.without_partner = FO_WITHOUT_KNOWN;
    fo_partner_down_follow(relationship);
    ck_assert_uint_eq(offered(1), 0);
    ck_assert(order(false, 0, false, false));
    ck_assert(!relationship->alone);
    ck_assert_uint_eq(relationship->endpoint.record.wait_until, now() + MCLT);
    ck_assert_uint_eq(take_all(1), SIZE / 2);
    still_later(service, (MCLT + GUARD + 1) * 1000);
    ck_assert_uint_eq(take_all(100), SIZE / 2);
    end();
}
END_TEST

/* Its address was in no pool when the wait was over. */
START_TEST(a_lease_whose_pool_was_away_lapses_too)
{
    begin(true);
    const uint32_t address = offered(1);
    ck_assert_uint_eq(leased(1, address), MCLT);
    ck_assert(order(false, 0, false, false));
    still_later(service, (MCLT + GUARD + 1) * 1000);
    ck_assert_int_eq(status(address), FO_EXPIRED);
    rows_follow();
    load(false);
    still_later(service, 10000000);
    load(true);
    still_later(service, 3000);
    rows_follow();
    still_later(service, 4000);
    ck_assert_int_eq(status(address), FO_FREE);
    end();
}
END_TEST

/* B2: not while it demonstrably lives. */
START_TEST(a_living_partner)
{
    begin(true);
    relationship->endpoint.sign_of_life = still.ms;
    snprintf(relationship->endpoint.last_end.text, 64, "clocks differ");
    ck_assert(!order(false, 0, false, false));
    ck_assert_ptr_nonnull(strstr(text, "clocks differ"));
    ck_assert_int_eq(relationship->endpoint.record.state, FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert(order(false, 0, true, false));
    ck_assert_int_eq(relationship->endpoint.record.state, FO_STATE_PARTNER_DOWN);
    end();
}
END_TEST

START_TEST(by_itself)
{
    begin(true);
    relationship->config.auto_partner_down = 100;
    struct fo_relationship_status status;
    const uint32_t since = fo_service_now(service).seconds;
    still_later(service, 97000);
    ck_assert_int_eq(relationship->endpoint.record.state, FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert(fo_relationship_status(service, 0, &status)); /* and shows when */
    ck_assert_uint_le(status.deadline, fo_to_wall(service, since + 100));
    ck_assert_uint_ge(status.deadline, fo_to_wall(service, since + 97));
    if (_i == 1) { /* it lives */
        relationship->endpoint.sign_of_life = still.ms;
        still_later(service, 30000);
        ck_assert_int_eq(relationship->endpoint.record.state,
                         FO_STATE_COMMUNICATIONS_INTERRUPTED);
        ck_assert_uint_eq(still.said[FAILOVER_AUTO_PARTNER_DOWN_REFUSED], 1);
    } else if (_i == 2) { /* we may be the one that was away (rule of safety 9) */
        relationship->alone = true;
        still_later(service, 30000);
        ck_assert_int_eq(relationship->endpoint.record.state,
                         FO_STATE_COMMUNICATIONS_INTERRUPTED);
    } else {
        still_later(service, 3000);
        ck_assert_int_eq(relationship->endpoint.record.state, FO_STATE_PARTNER_DOWN);
    }
    end();
}
END_TEST

/* With lost bindings it is not known which free addresses are ours. */
START_TEST(declared_with_lost_bindings)
{
    begin(true);
    relationship->endpoint.record.state = FO_STATE_RECOVER;
    relationship->endpoint.record.need_all = true;
    ck_assert(order(false, 0, false, false));
    ck_assert_uint_eq(offered(1), 0);
    still_later(service, (MCLT + GUARD + 1) * 1000);
    ck_assert_uint_eq(take_all(1), SIZE);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("partner_down");
    TCase *tests = tcase_create("partner_down");
    tcase_add_loop_test(tests, the_partners_addresses_are_ours_after_the_mclt, 0, 2);
    tcase_add_test(tests, down_since_counts);
    tcase_add_test(tests, an_ended_lease_waits);
    tcase_add_test(tests, a_lease_that_had_ended_waits);
    tcase_add_loop_test(tests, full_lease_times, 0, 2);
    tcase_add_loop_test(tests, a_connection_ends_the_taking, 0, 2);
    tcase_add_test(tests, what_is_claimed_is_told_before_upddone);
    tcase_add_test(tests, an_order_after_a_long_stop_is_news);
    tcase_add_test(tests, a_lowered_mclt_waits_for_old_promises);
    tcase_add_test(tests, a_lease_whose_pool_was_away_lapses_too);
    tcase_add_test(tests, a_living_partner);
    tcase_add_loop_test(tests, by_itself, 0, 3);
    tcase_add_test(tests, declared_with_lost_bindings);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
