/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * failover-shutdown, failover-maintenance-start and -cancel, as the service obeys them: when they are
 * refused, what comes before SHUTDOWN is said, what an operator hears, and the way back. A primary in a
 * still environment, with a partner that acknowledges when it is told to.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/still_partner.h"

enum { FIRST = 0x0a000040, SIZE = 64, RENEWED = FIRST + 5 };

static struct fo_service *service;
static struct fo_relationship *relationship;
static char text[512];

static void setup(void)
{
    struct fo_config config;
    struct fo_pool_range range = {FIRST, FIRST + SIZE - 1, SUBNET, 0};
    const struct fo_topology topology = still_topology(&range, 1);
    still_configuration(true, &config);
    service = still_start(&config, &topology);
    fo_config_free(&config);
    still_partner_start(service);
    relationship = service->relationships[0];
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_NORMAL);
}

static void teardown(void)
{
    still_stop(service);
}

static bool order(bool maintenance, bool dry_run)
{
    const struct fo_leave_order leave = {.maintenance = maintenance, .dry_run = dry_run};
    return fo_leave(service, &leave, text, sizeof text);
}

static bool cancel(void)
{
    const struct fo_leave_order leave = {.maintenance = true};
    return fo_come_back(service, &leave, text, sizeof text);
}

static void pass(int64_t ms)
{
    for (int64_t end = still.ms + ms; still.ms < end; still.ms += 50)
        still_partner_settle(service);
    still_partner_settle(service);
}

static const char *way_out(void)
{
    static struct fo_relationship_status status;
    ck_assert(fo_relationship_status(service, 0, &status));
    ck_assert_str_eq(status.state, "SHUTDOWN");
    ck_assert_ptr_nonnull(status.refusing);
    return status.way_out;
}

START_TEST(what_is_under_way_is_told_first)
{
    struct fo_pool *pool = &service->table.pools[0];
    still_partner_hold(true);
    fo_table_set_owner(&service->table, pool, RENEWED, true); /* news for the partner */
    fo_touch(service, pool, RENEWED);
    const uint32_t serial = fo_table_claim(&service->table, RENEWED + 1);
    ck_assert(order(_i == 1, false));
    ck_assert_uint_eq(still.said[FAILOVER_SHUTDOWN_BEGINS], 1);
    ck_assert_ptr_nonnull(strstr(way_out(), _i == 1 ? "failover-maintenance-cancel" : "a restart"));
    pass(1000);
    ck_assert(!relationship->endpoint.shut && relationship->leaving);
    still_partner_acknowledge(1);
    pass(1000);
    ck_assert(!relationship->endpoint.shut); /* a packet is under way */
    fo_table_unhold(&service->table, RENEWED + 1, serial);
    pass(200);
    ck_assert(!relationship->leaving && relationship->endpoint.shut);
    ck_assert_uint_eq(still.said[FAILOVER_SHUTDOWN], 1);
    ck_assert_int_eq(relationship->endpoint.record.state, FO_STATE_RECOVER);
    ck_assert(order(false, false));
    ck_assert_ptr_nonnull(strstr(text, "already"));
    const struct fo_partner_down_order down = {.force = true};
    ck_assert(!fo_partner_down(service, &down, text, sizeof text));
    ck_assert_int_eq(cancel(), _i == 1);
    if (_i == 1) {
        ck_assert_uint_eq(still.said[FAILOVER_SHUTDOWN_OVER], 1);
        ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_STARTUP);
        ck_assert_int_eq(relationship->endpoint.record.state, FO_STATE_RECOVER);
    } else {
        ck_assert_ptr_nonnull(strstr(text, "only a restart"));
        ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_SHUTDOWN);
    }
}
END_TEST

/* A partner that does not acknowledge is not waited for for ever. */
START_TEST(a_slow_partner_is_told_all_the_same)
{
    struct fo_pool *pool = &service->table.pools[0];
    still_partner_hold(true);
    fo_table_set_owner(&service->table, pool, RENEWED, true);
    fo_touch(service, pool, RENEWED);
    ck_assert(order(false, false));
    pass(4900);
    ck_assert(!relationship->endpoint.shut);
    pass(300);
    ck_assert(relationship->endpoint.shut);
}
END_TEST

START_TEST(a_cancel_before_anything_is_said)
{
    struct fo_pool *pool = &service->table.pools[0];
    const uint32_t serial = fo_table_claim(&service->table, RENEWED);
    ck_assert(order(true, false));
    pass(200);
    ck_assert(cancel());
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_NORMAL);
    fo_table_unhold(&service->table, RENEWED, serial);
    pass(1000);
    ck_assert(still_partner_connected());
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_NORMAL);
    ck_assert_ptr_nonnull(pool);
    ck_assert(!cancel());
    ck_assert_ptr_nonnull(strstr(text, "not in maintenance"));
}
END_TEST

START_TEST(who_cannot_be_replaced_stays)
{
    struct fo_endpoint *endpoint = &relationship->endpoint;
    ck_assert(order(true, true)); /* would be */
    ck_assert_ptr_nonnull(strstr(text, "would"));
    endpoint->record.partner_state = FO_STATE_RECOVER;
    ck_assert(!order(true, true) && !order(false, false));
    ck_assert_ptr_nonnull(strstr(text, "both must be in NORMAL"));
    endpoint->record.partner_state = FO_STATE_NORMAL;
    endpoint->communicating = false;
    ck_assert(!order(true, false));
    ck_assert_ptr_nonnull(strstr(text, "not in contact"));
    endpoint->communicating = true;
    ck_assert_int_eq(fo_serving_state(relationship), FO_STATE_NORMAL);
    /* Nor does it where the partner is lost after the command. */
    const uint32_t serial = fo_table_claim(&service->table, RENEWED);
    ck_assert(order(true, false));
    fo_net_closed(service, relationship->connection, "reset");
    pass(200);
    ck_assert_uint_eq(still.said[FAILOVER_SHUTDOWN_NOT], 1);
    ck_assert(!relationship->leaving && !endpoint->shut);
    fo_table_unhold(&service->table, RENEWED, serial);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("maintenance");
    TCase *all = tcase_create("maintenance");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_loop_test(all, what_is_under_way_is_told_first, 0, 2);
    tcase_add_test(all, a_slow_partner_is_told_all_the_same);
    tcase_add_test(all, a_cancel_before_anything_is_said);
    tcase_add_test(all, who_cannot_be_replaced_stays);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
