/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Hot standby (S3, S15, S35 to S43): its parameters with each way to get them wrong, whom the active
 * server and the standby answer in each state, and what the secondary makes of a primary whose
 * configuration differs.
 *
 * All of it in all four positions: the primary active or not, and this server the primary or not.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/hash_bucket.h"
#include "tests/unit/still_env.h"

#define EAST "relationship 'a-b': "
#define NUMBER "relationship 1: "

/* ------------------------------------------------------------------ parameters */

/* Parses a configuration in mode hot-standby. `more`: further keys, each with a comma after it. */
static int parse_standby(const char *self, const char *more, const char *role_a,
                         const char *role_b, struct fo_config *config, char *error)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{\"high-availability\": [{\"this-server-name\": \"%s\", \"mode\": \"hot-standby\", %s"
             " \"peers\": [{\"name\": \"a\", \"url\": \"tcp://192.0.2.1\", \"role\": \"%s\"},"
             "{\"name\": \"b\", \"url\": \"tcp://192.0.2.2\", \"role\": \"%s\"}]}]}",
             self, more, role_a, role_b);
    return fo_config_parse(text, config, error);
}

static const struct {
    const char *self, *more, *role_a, *role_b;
    bool primary, active;
    uint32_t percent, reserve;
} standbys[] = {
    {"a", "", "primary", "secondary", true, true, 100, 5},
    {"b", "", "primary", "secondary", false, false, 100, 5},
    {"a", "", "standby", "primary", false, false, 100, 5},
    {"b", "", "standby", "primary", true, true, 100, 5},
    {"a", "\"active\": \"a\",", "primary", "standby", true, true, 100, 5},
    {"b", "\"active\": \"a\",", "primary", "standby", false, false, 100, 5},
    {"a", "\"active\": \"b\",", "primary", "secondary", true, false, 0, 5},
    {"b", "\"active\": \"b\",", "primary", "secondary", false, true, 0, 5},
    {"a", "\"reserve-percent\": 0,", "primary", "secondary", true, true, 100, 0},
    {"a", "\"reserve-percent\": 100, \"active\": \"b\",", "primary", "secondary", true, false, 0,
     100},
};

START_TEST(hot_standby_is_a_division_of_100_to_0)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX];
    ck_assert_msg(parse_standby(standbys[_i].self, standbys[_i].more, standbys[_i].role_a,
                                standbys[_i].role_b, &config, error) == 0, "%s", error);
    const struct fo_config_relationship *one = &config.relationships[0];
    ck_assert(one->hot_standby);
    ck_assert_int_eq(one->primary, standbys[_i].primary);
    ck_assert_int_eq(one->active, standbys[_i].active);
    ck_assert_uint_eq(one->primary_percent, standbys[_i].percent);
    ck_assert_uint_eq(one->reserve_percent, standbys[_i].reserve);
    ck_assert_uint_ge(one->max_seconds, 65535); /* no client has waited for longer */
    fo_config_free(&config);
}
END_TEST

#define RESERVE_RIGHT \
    "must be a whole number from 0 to 100 (the standby's share of each pool's free addresses in " \
    "percent)"
#define ACTIVE_RIGHT "must be the name of one of the two peers; leave it out to mean the primary"
#define IS_STANDBY "this peer has the role standby; must be the other peer, or the role be secondary"
#define ALL_ACTIVES \
    "in mode hot-standby the active server serves all clients; leave it out, or use active"

static const struct {
    const char *more, *role_a, *role_b, *error;
} wrong_standbys[] = {
    {"\"load-balance-percent\": 100,", "primary", "secondary",
     EAST "load-balance-percent: 100 is not allowed: " ALL_ACTIVES},
    {"\"load-balance-percent\": null,", "primary", "secondary",
     EAST "load-balance-percent: null is not allowed: " ALL_ACTIVES},
    {"\"load-balance-max-seconds\": 3,", "primary", "secondary",
     EAST "load-balance-max-seconds: 3 is not allowed: in mode hot-standby the standby does not "
     "answer however long a client has been trying; leave it out"},
    {"\"reserve-percent\": 101,", "primary", "secondary",
     EAST "reserve-percent: 101 is not allowed: " RESERVE_RIGHT},
    {"\"reserve-percent\": -1,", "primary", "secondary",
     EAST "reserve-percent: -1 is not allowed: " RESERVE_RIGHT},
    {"\"reserve-percent\": 5.5,", "primary", "secondary",
     EAST "reserve-percent: 5.5 is not allowed: " RESERVE_RIGHT},
    {"\"active\": \"c\",", "primary", "secondary", EAST "active: \"c\" is not allowed: " ACTIVE_RIGHT},
    {"\"active\": \"\",", "primary", "secondary", EAST "active: \"\" is not allowed: " ACTIVE_RIGHT},
    {"\"active\": true,", "primary", "secondary", EAST "active: true is not allowed: " ACTIVE_RIGHT},
    {"\"active\": \"b\",", "primary", "standby", EAST "active: \"b\" is not allowed: " IS_STANDBY},
    {"\"active\": \"a\",", "standby", "primary",
     "relationship 'b-a': active: \"a\" is not allowed: " IS_STANDBY},
    {"", "standby", "standby",
     NUMBER "peers[1].role: \"standby\" is not allowed: one peer must be the primary, the other the "
     "secondary"},
    {"", "standby", "secondary",
     NUMBER "peers[1].role: \"secondary\" is not allowed: one peer must be the primary, the other "
     "the secondary"},
    {"", "primary", "active",
     NUMBER "peers[1].role: \"active\" is not allowed: must be primary or secondary (or standby, "
     "which means secondary)"},
    {"", "primary", "backup",
     NUMBER "peers[1].role: \"backup\" is not allowed: roles are primary and secondary; failover has "
     "two servers and no backup servers"},
};

START_TEST(wrong_combinations_of_hot_standby_are_refused)
{
    struct fo_config config;
    char error[FO_CONFIG_ERROR_MAX];
    for (int side = 0; side < 2; side++) {
        ck_assert_int_eq(parse_standby(side == 0 ? "a" : "b", wrong_standbys[_i].more,
                                       wrong_standbys[_i].role_a, wrong_standbys[_i].role_b,
                                       &config, error), -1);
        ck_assert_str_eq(error, wrong_standbys[_i].error);
    }
}
END_TEST

/* ------------------------------------------------------------------ who is answered */

enum { FIRST = 0x0a000040, SIZE = 64, LAST = FIRST + SIZE - 1,
       DISCOVER = 1, REQUEST = 3, DECLINE = 4, RELEASE = 7, INFORM = 8 };

static struct fo_service *service;
static struct fo_relationship *relationship;
static uint8_t hardware[6];
static struct fo_query query;
static struct fo_decision decision;
static bool active;

static void enter(enum fo_state state)
{
    relationship->endpoint.starting = false;
    relationship->endpoint.record.state = (uint8_t)state;
    relationship->endpoint.record.need_all = false;
}

/* Position 0 to 3: this server, `a`, is the primary where bit 0 is set, and active where bit 1 is.
   Every second free address is the secondary's. */
static void start(int position, const char *more)
{
    char error[FO_CONFIG_ERROR_MAX], keys[200];
    const bool primary = position & 1;
    active = position & 2;
    struct fo_config config;
    struct fo_pool_range range = {FIRST, LAST, SUBNET, 0};
    const struct fo_topology topology = still_topology(&range, 1);
    snprintf(keys, sizeof keys, "%s\"active\": \"%s\",", more, active ? "a" : "b");
    ck_assert_msg(parse_standby("a", keys, primary ? "primary" : "secondary",
                                primary ? "secondary" : "primary", &config, error) == 0,
                  "%s", error);
    service = still_start(&config, &topology);
    fo_config_free(&config);
    relationship = service->relationships[0];
    enter(FO_STATE_NORMAL);
    /* What the primary imposes when it connects. */
    fo_hash_buckets_divide(primary == active ? 100 : 0,
                           relationship->endpoint.record.secondary_buckets);
    for (uint32_t address = FIRST + 1; address <= LAST; address += 2)
        fo_table_set_owner(&service->table, &service->table.pools[0], address, true);
    still_later(service, 1000);
    still_later(service, 1000);
}

static void end(void)
{
    fo_claim_release(service, &decision.claim);
    fo_service_free(service);
    service = NULL;
    ck_assert_int_eq(still.blocks, 0);
}

static void client(unsigned number)
{
    const uint8_t address[6] = {2, 0, 0, 0, (uint8_t)(number >> 8), (uint8_t)number};
    memcpy(hardware, address, 6);
    memset(&query, 0, sizeof query);
    query.client = (struct fo_client){
        .hardware = hardware, .hardware_type = 1, .hardware_length = 6};
}

static enum fo_answer ask(uint8_t type)
{
    fo_claim_release(service, &decision.claim);
    query.message_type = type;
    fo_query_received(service, &query, &decision);
    if (decision.answer == FO_PASS && (type == DISCOVER || type == REQUEST))
        fo_subnet_selected(service, SUBNET, &query, NULL, NULL, &decision);
    return decision.answer;
}

/* A lease by DISCOVER and REQUEST, of the client of the query. */
static uint32_t leased(void)
{
    const uint32_t now = (uint32_t)(STILL_SECONDS + still.ms / 1000);
    uint32_t length = 600, row_length = 0;
    ck_assert_int_eq(ask(DISCOVER), FO_PASS);
    const uint32_t address = decision.address;
    query.names_server = query.asks_address = true;
    query.asked_address = address;
    ck_assert_int_eq(ask(REQUEST), FO_PASS);
    ck_assert_int_eq(fo_lease_requested(service, SUBNET, &query, &decision, address, &length),
                     FO_PASS);
    ck_assert_int_eq(fo_committed(service, SUBNET, &query, &decision, now, length, 600,
                                  NULL, &row_length), FO_PASS);
    fo_claim_release(service, &decision.claim);
    query.names_server = query.asks_address = false;
    query.asked_address = 0;
    return address;
}

/* In NORMAL: every bucket, however long the client has been trying. */
START_TEST(the_active_server_answers_all_and_the_standby_none)
{
    start(_i, "");
    bool seen[256] = {false};
    for (unsigned number = 0; number < 2000; number++) {
        const uint16_t waited[] = {0, 4, 255, 256, 4 << 8, 65535};
        client(number);
        query.secs = waited[number % 6];
        ck_assert_int_eq(ask(INFORM), active ? FO_PASS : FO_DROP);
        seen[decision.bucket] = true;
        if (!active) {
            ck_assert_str_eq(decision.refusal.reason, "hot standby");
            ck_assert_str_eq(decision.refusal.owner, "b");
        }
    }
    for (int bucket = 0; bucket < 256; bucket++)
        ck_assert(seen[bucket]);
    client(0);
    query.secs = 65535;
    ck_assert_int_eq(ask(DISCOVER), active ? FO_PASS : FO_DROP);
    query.asks_address = true; /* INIT-REBOOT */
    query.asked_address = FIRST;
    if (!active)
        ck_assert_int_eq(ask(REQUEST), FO_DROP);
    end();
}
END_TEST

/* S39, and what is meant for this server: a lease of an interruption is renewed and given back at
   the server that gave it. */
START_TEST(a_standby_renews_and_hears_who_names_it)
{
    start(_i, "");
    enter(FO_STATE_COMMUNICATIONS_INTERRUPTED);
    client(1);
    const uint32_t address = leased();
    enter(FO_STATE_NORMAL);
    query.ciaddr = address;
    ck_assert_int_eq(ask(REQUEST), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, address);
    ck_assert_int_eq(ask(RELEASE), active ? FO_PASS : FO_DROP);
    query.names_server = true;
    ck_assert_int_eq(ask(RELEASE), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, address);
    end();
}
END_TEST

/* 9.9: all clients, new ones from the addresses that are this server's. When those are used up, new
   clients are refused (S41), and who has a lease is served. */
START_TEST(either_takes_over_with_its_own_addresses)
{
    start(_i, "");
    enter(FO_STATE_COMMUNICATIONS_INTERRUPTED);
    uint32_t first = 0;
    for (unsigned number = 0; number < SIZE / 2; number++) {
        client(number);
        const uint32_t address = leased();
        ck_assert_uint_eq(address % 2, _i & 1 ? 0 : 1);
        first = number == 0 ? address : first;
        still_later(service, 1000);
    }
    client(SIZE);
    ck_assert_int_eq(ask(DISCOVER), FO_DROP);
    ck_assert_uint_eq(still.said[FAILOVER_NO_ADDRESS], 1);
    client(0);
    query.ciaddr = first;
    ck_assert_int_eq(ask(REQUEST), FO_PASS);
    end();
}
END_TEST

START_TEST(the_status_says_who_serves)
{
    struct fo_relationship_status status;
    start(_i, "");
    ck_assert(fo_relationship_status(service, 0, &status));
    ck_assert_uint_eq(status.buckets, active ? 256 : 0);
    ck_assert_ptr_nonnull(strstr(status.meaning, active ? "is active" : "stands by"));
    ck_assert_ptr_null(status.refusing);
    enter(FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert(fo_relationship_status(service, 0, &status));
    ck_assert_ptr_nonnull(strstr(status.meaning, "every client is served, active or not"));
    end();
}
END_TEST

/* The primary's division counts, also where the secondary calls itself the standby. */
START_TEST(the_standby_of_a_primary_that_balances_serves_its_buckets)
{
    start(0, "");
    fo_hash_buckets_divide(50, relationship->endpoint.record.secondary_buckets);
    unsigned answered = 0;
    for (unsigned number = 0; number < 400; number++) {
        client(number);
        const bool passed = ask(INFORM) == FO_PASS;
        ck_assert_int_eq(passed, decision.bucket >= 128);
        answered += passed;
    }
    ck_assert_uint_gt(answered, 100);
    struct fo_relationship_status status;
    ck_assert(fo_relationship_status(service, 0, &status));
    ck_assert_ptr_nonnull(strstr(status.meaning, "share the clients"));
    end();
}
END_TEST

/* ------------------------------------------------------------------ the reserve */

static const struct {
    int position;
    const char *more;
    uint32_t backup; /* of 64 */
} shares[] = {
    {1 | 2, "", 3}, {1 | 2, "\"reserve-percent\": 25,", 16}, {1 | 2, "\"reserve-percent\": 1,", 1},
    {1 | 2, "\"reserve-percent\": 0,", 0}, {1, "", 60}, {1, "\"reserve-percent\": 25,", 48},
    {1, "\"reserve-percent\": 0,", 64},
};

/* From half and half; what the secondary is to give back it has to agree to first, so it is looked
   at what the primary asks for. */
START_TEST(the_primary_sees_to_the_reserve)
{
    start(shares[_i].position, shares[_i].more);
    const struct fo_pool *pool = &service->table.pools[0];
    ck_assert_uint_eq(pool->backup_count, SIZE / 2);
    for (uint32_t bit = 0; bit < SIZE; bit++) { /* all of it is known to the partner */
        fo_bitmap_clear(&service->table.pools[0].unacked, bit);
        fo_bitmap_clear(&service->table.pools[0].rejected, bit);
    }
    relationship->endpoint.communicating = true;
    struct fo_now now = fo_service_now(service);
    while (fo_balance_pools(service, &now))
        ;
    ck_assert_uint_eq(pool->backup_count, shares[_i].backup);
    ck_assert_uint_eq(pool->free_count, SIZE - shares[_i].backup);
    fo_pool_requested(relationship); /* POOLREQ changes nothing: not even no reserve */
    ck_assert_uint_eq(pool->backup_count, shares[_i].backup);
    relationship->endpoint.communicating = false;
    end();
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
    Suite *suite = suite_create("standby");
    TCase *all = tcase_create("standby");
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, hot_standby_is_a_division_of_100_to_0, 0, COUNT(standbys));
    tcase_add_loop_test(all, wrong_combinations_of_hot_standby_are_refused, 0,
                        COUNT(wrong_standbys));
    tcase_add_loop_test(all, the_active_server_answers_all_and_the_standby_none, 0, 4);
    tcase_add_loop_test(all, a_standby_renews_and_hears_who_names_it, 0, 4);
    tcase_add_loop_test(all, either_takes_over_with_its_own_addresses, 0, 4);
    tcase_add_loop_test(all, the_status_says_who_serves, 0, 4);
    tcase_add_test(all, the_standby_of_a_primary_that_balances_serves_its_buckets);
    tcase_add_loop_test(all, the_primary_sees_to_the_reserve, 0, COUNT(shares));
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
