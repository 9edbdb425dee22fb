/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * startup-without-partner (rule of safety 9): a server that was away for longer than the MCLT and finds
 * no partner serves those whom the parameter allows, tells its operator why and what ends it, and ends
 * it with contact or by command. One primary alone in a still environment.
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hook/persistence_internal.h"
#include "tests/unit/still_primary.h"

enum { LONG = 600 };

static uint32_t address; /* the lease of the client of this server's that has the number 0 */

/* It was in `state`, with a lease that runs; startup ends without contact. */
static void start_alone(enum fo_without_partner rule, uint32_t auto_partner_down,
                        enum fo_state state, uint32_t stopped)
{
    struct fo_endpoint *endpoint = &relationship->endpoint;
    struct fo_now now;
    relationship->config.without_partner = (uint8_t)rule;
    relationship->config.auto_partner_down = auto_partner_down;
    address = lease(true, 0);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    binding->times.acked_potential = binding->times.lease_expiration += 2 * LONG;
    binding->cltt -= 1;
    fo_table_watch_end(&service->table, binding);
    still_settle(service);
    now = fo_service_now(service);
    endpoint->starting = true;
    endpoint->started = now.seconds;
    endpoint->startup_deadline = now.ms + 1000;
    endpoint->record.state = (uint8_t)state;
    endpoint->record.need_all = false;
    endpoint->record.last_operational = now.seconds - stopped;
    still_later(service, 2000);
}

static const char *status_words(const char **way_out, const char **meaning)
{
    static struct fo_relationship_status status;
    ck_assert(fo_relationship_status(service, 0, &status));
    *way_out = status.way_out;
    *meaning = status.meaning;
    return status.refusing;
}

static bool new_client_served(void)
{
    client(true, 1);
    return offered() != 0;
}

static bool old_client_renews(void)
{
    client(true, 0);
    return renew(address) == FO_PASS;
}

static const struct {
    enum fo_without_partner rule;
    uint32_t auto_partner_down;
    bool renews, serves_new;
} rules[] = {
    {FO_WITHOUT_KNOWN, 0, true, false},
    {FO_WITHOUT_ALL, 3600, true, true},
    {FO_WITHOUT_NONE, 0, false, false},
    {FO_WITHOUT_AUTO, 0, true, true},
    {FO_WITHOUT_AUTO, 3600, true, false},
};

START_TEST(whom_it_serves)
{
    const char *way_out, *meaning;
    start_alone(rules[_i].rule, rules[_i].auto_partner_down, FO_STATE_COMMUNICATIONS_INTERRUPTED, MCLT + 1);
    ck_assert(relationship->alone);
    ck_assert_uint_eq(still.said[FAILOVER_ALONE_AFTER_LONG_STOP], 1);
    ck_assert_ptr_nonnull(strstr(still.words[FAILOVER_ALONE_AFTER_LONG_STOP],
                                 fo_config_without_partner_name((uint8_t)rules[_i].rule)));
    ck_assert_int_eq(new_client_served(), rules[_i].serves_new);
    ck_assert_int_eq(old_client_renews(), rules[_i].renews);
    const char *refusing = status_words(&way_out, &meaning);
    ck_assert_int_eq(refusing == NULL, rules[_i].serves_new);
    ck_assert_ptr_nonnull(strstr(way_out, "failover-partner-down"));
    ck_assert_ptr_nonnull(strstr(meaning, "longer than the MCLT"));
}
END_TEST

START_TEST(a_short_stop_is_none)
{
    const char *way_out, *meaning;
    start_alone(FO_WITHOUT_NONE, 0, FO_STATE_COMMUNICATIONS_INTERRUPTED, MCLT - 1);
    ck_assert(!relationship->alone && new_client_served());
    ck_assert_ptr_null(status_words(&way_out, &meaning));
    ck_assert_ptr_null(way_out);
    ck_assert_uint_eq(still.said[FAILOVER_ALONE_AFTER_LONG_STOP], 0);
}
END_TEST

/* `all` bounds leases as ever; `known` by what both servers know, "now" not in it. */
START_TEST(for_how_long)
{
    const bool all = _i == 1;
    start_alone(all ? FO_WITHOUT_ALL : FO_WITHOUT_KNOWN, 0, FO_STATE_COMMUNICATIONS_INTERRUPTED, LONG);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    binding->times.acked_potential = fo_service_now(service).seconds - 10;
    ck_assert(old_client_renews());
    ck_assert_uint_eq(granted(LONG), all ? MCLT : MCLT - 10);
}
END_TEST

/* It was PARTNER-DOWN, and so may the other be now: own addresses, no more, and bounded leases. */
START_TEST(after_partner_down_all_is_less)
{
    start_alone(FO_WITHOUT_ALL, 0, FO_STATE_PARTNER_DOWN, LONG);
    relationship->config.partner_down_full_time = true;
    relationship->endpoint.record.wait_until = fo_service_now(service).seconds - LONG;
    still_later(service, 1000);
    ck_assert(!service->table.pools[0].all_ours);
    ck_assert(new_client_served());
    ck_assert_uint_eq((decision.address - FIRST) % 2, 0);
    ck_assert(old_client_renews());
    fo_table_find(&service->table, address)->times.sent_potential = UINT32_MAX / 2;
    fo_table_find(&service->table, address)->times.acked_potential = 0;
    ck_assert_uint_eq(granted(LONG), MCLT);
}
END_TEST

/* A state that has no new clients gets none by `all`, and the lease is bounded as for `known`. */
START_TEST(recover_done_stays_what_it_is)
{
    start_alone(FO_WITHOUT_ALL, 0, FO_STATE_RECOVER_DONE, LONG);
    ck_assert(!new_client_served());
    fo_table_find(&service->table, address)->times.acked_potential = fo_service_now(service).seconds - 10;
    ck_assert(old_client_renews());
    ck_assert_uint_eq(granted(LONG), MCLT - 10);
}
END_TEST

START_TEST(a_command_ends_it)
{
    const struct fo_partner_down_order order = {0};
    char text[512];
    start_alone(FO_WITHOUT_NONE, 0, FO_STATE_COMMUNICATIONS_INTERRUPTED, LONG);
    ck_assert_msg(fo_partner_down(service, &order, text, sizeof text), "%s", text);
    ck_assert(!relationship->alone && new_client_served());
    ck_assert_int_eq(relationship->endpoint.record.state, FO_STATE_PARTNER_DOWN);
}
END_TEST

/* The next configuration has another rule, and it is told. */
START_TEST(a_reload_changes_it)
{
    struct fo_config config;
    struct fo_pool_range range = {FIRST, LAST, SUBNET, 0};
    const struct fo_topology topology = still_topology(&range, 1);
    start_alone(FO_WITHOUT_NONE, 0, FO_STATE_COMMUNICATIONS_INTERRUPTED, LONG);
    still_configuration(true, &config);
    for (unsigned said = 2; said < 4; said++) {
        config.relationships[0].without_partner = FO_WITHOUT_ALL;
        config.relationships[0].auto_partner_down = 3600;
        still_configure(service, &config, &topology);
        ck_assert_uint_eq(still.said[FAILOVER_ALONE_AFTER_LONG_STOP], 2); /* once more, not twice */
        ck_assert_uint_eq(still.said[FAILOVER_CONFIG_WARNING], said - 1);
        ck_assert(new_client_served());
    }
    fo_config_free(&config);
}
END_TEST

/* The partner says this state, and ours follows; then the connection is lost. */
static void contact(enum fo_state partners, enum fo_state follows, enum fo_state afterwards)
{
    struct fo_endpoint *endpoint = &relationship->endpoint;
    const struct fo_endpoint_host *host = &endpoint->host;
    endpoint->communicating = true;
    endpoint->record.partner_state = (uint8_t)partners;
    host->note(host->context, FO_NOTE_PARTNER_STATE, "");
    endpoint->record.state = (uint8_t)follows;
    host->entered(host->context, FO_STATE_COMMUNICATIONS_INTERRUPTED);
    endpoint->communicating = false;
    endpoint->record.state = (uint8_t)afterwards;
    host->note(host->context, FO_NOTE_STATE, "cut");
    host->entered(host->context, follows);
    still_settle(service);
}

/* What the partner has leased as the only one is known when they have compared, and not before. */
START_TEST(contact_that_shows_a_conflict_does_not_end_it)
{
    const bool automatic = _i == 1;
    start_alone(automatic ? FO_WITHOUT_AUTO : FO_WITHOUT_KNOWN, automatic ? 3600 : 0,
                FO_STATE_COMMUNICATIONS_INTERRUPTED, LONG);
    contact(FO_STATE_PARTNER_DOWN, FO_STATE_POTENTIAL_CONFLICT, FO_STATE_RESOLUTION_INTERRUPTED);
    ck_assert(!new_client_served());
    ck_assert(old_client_renews());
    ck_assert_ptr_nonnull(strstr(still.words[FAILOVER_RESOLUTION_INTERRUPTED], "only unexpired"));
    contact(FO_STATE_POTENTIAL_CONFLICT, FO_STATE_NORMAL, FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert(!relationship->alone && new_client_served());
    ck_assert_uint_eq(relationship->endpoint.record.away_since, 0);
}
END_TEST

static uint8_t stored[256]; /* the relationship's record, as the store has it */
static size_t stored_length;

static void keep_record(const struct fo_store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->writes[i].key[0] == FO_STORE_KEY_ENDPOINT) {
            stored_length = batch->writes[i].value_length;
            ck_assert_uint_le(stored_length, sizeof stored);
            memcpy(stored, batch->writes[i].value, stored_length);
        }
}

/* A second restart, a moment after the first, has no long stop before it. */
START_TEST(another_restart_does_not_end_it)
{
    still.stores = keep_record;
    start_alone(FO_WITHOUT_KNOWN, 0, FO_STATE_COMMUNICATIONS_INTERRUPTED, LONG);
    const uint32_t since = relationship->endpoint.record.away_since;
    ck_assert_uint_eq(since, relationship->endpoint.record.last_operational);
    uint32_t last;
    memcpy(&last, stored + stored_length - 5 - sizeof last, sizeof last); /* `forgetting`, `forgot_until` */
    ck_assert_uint_eq(ntohl(last), since);
    relationship->alone = false;
    relationship->endpoint.record.last_operational = fo_service_now(service).seconds;
    relationship->endpoint.started = fo_service_now(service).seconds + 1;
    fo_alone_begin(relationship);
    ck_assert(relationship->alone && !new_client_served() && old_client_renews());
    ck_assert_uint_eq(relationship->endpoint.record.away_since, since);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alone");
    TCase *all = tcase_create("alone");
    tcase_add_checked_fixture(all, still_primary_start, still_primary_stop);
    tcase_add_loop_test(all, whom_it_serves, 0, (int)(sizeof rules / sizeof rules[0]));
    tcase_add_test(all, a_short_stop_is_none);
    tcase_add_loop_test(all, for_how_long, 0, 2);
    tcase_add_test(all, after_partner_down_all_is_less);
    tcase_add_test(all, recover_done_stays_what_it_is);
    tcase_add_test(all, a_command_ends_it);
    tcase_add_test(all, a_reload_changes_it);
    tcase_add_loop_test(all, contact_that_shows_a_conflict_does_not_end_it, 0, 2);
    tcase_add_test(all, another_restart_does_not_end_it);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
