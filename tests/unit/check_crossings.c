/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the two servers say of one address when neither has heard the other yet, what is rejected and
 * how loudly, and what a partner without a store has to be told, also of addresses that are in no pool
 * at that moment (rules of safety 3, 7 and 17).
 *
 * A primary in a still environment, with a partner that acknowledges when it is told to.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/still_partner.h"

enum {
    FIRST = 0x0a000040, SIZE = 64, OTHER = FIRST + 0x1000, SUBNET = 1, MCLT = 60,
    DISCOVER = 1, REQUEST = 3,
};

static struct fo_service *service;
static struct fo_relationship *relationship;
static struct fo_config config;
static const uint8_t hardware[] = {1, 2, 0, 0, 0, 0, 9}; /* with its type */

/* Loads a configuration with the second pool, and the first one where `whole`. */
static void load(bool whole)
{
    char error[FO_CONFIG_ERROR_MAX];
    struct fo_pool_range ranges[] = {{OTHER, OTHER + SIZE - 1, SUBNET, 0},
                                     {FIRST, FIRST + SIZE - 1, SUBNET, 0}};
    uint32_t subnet = SUBNET, network = 0;
    const struct fo_topology topology = {.pools = ranges, .pool_count = whole ? 2 : 1,
                                         .subnets = &subnet, .networks = &network,
                                         .subnet_count = 1, .persistent = true};
    ck_assert_int_eq(fo_service_configure(service, &config, &topology, error), 0);
}

static void setup(void)
{
    char error[FO_CONFIG_ERROR_MAX];
    still_reset();
    still_configuration(true, &config);
    service = fo_service_new(&still_env, error);
    ck_assert_ptr_nonnull(service);
    load(true);
    fo_reconcile_begin(service);
    fo_reconcile_end(service);
    still_partner_start(service);
    relationship = service->relationships[0];
}

static void teardown(void)
{
    fo_service_free(service);
    fo_config_free(&config);
    ck_assert_int_eq(still.blocks, 0);
}

static uint32_t now(void)
{
    return fo_service_now(service).seconds;
}

static struct fo_pool *pool_of(uint32_t address)
{
    struct fo_pool *pool = fo_table_pool(&service->table, address);
    ck_assert_ptr_nonnull(pool);
    return pool;
}

static bool is_set(const struct fo_bitmap *bitmap, uint32_t address)
{
    return fo_bitmap_test(bitmap, bit_in(pool_of(address), address));
}

static enum fo_binding_status status_of(uint32_t address)
{
    return fo_table_status(&service->table, pool_of(address), address);
}

/* Rows follow, commits are made, and the partner answers where it does not hold back. */
static void settle(void)
{
    struct fo_row row;
    for (int i = 0; i < 3; i++) {
        still.ms += FO_COMMIT_DELAY_MS;
        still_partner_settle(service);
        while (fo_rows_next(service, &row))
            fo_rows_done(service, &row, NULL, NULL);
    }
    still_partner_settle(service);
}

static uint32_t one_of(uint32_t first, bool backup)
{
    const struct fo_pool *pool = pool_of(first);
    const uint32_t bit = fo_bitmap_next(backup ? &pool->backup : &pool->available, 0);
    ck_assert_uint_ne(bit, FO_BITMAP_NONE);
    return first + bit;
}

static void says(uint32_t address, enum fo_binding_status status)
{
    struct fo_update update = {
        .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                   FO_HAS(FO_OPT_START_TIME_OF_STATE),
        .address = address,
        .status = (uint8_t)status,
        .start_of_state = now(),
    };
    if (status == FO_ACTIVE) {
        update.present |= FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) |
                          FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) |
                          FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME) |
                          FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME);
        update.hardware_address = (struct fo_bytes){hardware, sizeof hardware};
        update.lease_expiration = now() + MCLT;
        update.potential_expiration = now() + 2 * MCLT;
        update.client_last_transaction = now();
    }
    still_partner_says(&update);
    settle();
}

/* An address of the partner's, leased by it, of which both know. */
static uint32_t leased(uint32_t first)
{
    const uint32_t address = one_of(first, true);
    says(address, FO_ACTIVE);
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
    return address;
}

/* ------------------------------------------------------------------ crossing */

/* Were each to follow the other, it would be BACKUP here and FREE there: nobody's. */
START_TEST(backup_that_crosses_our_end_does_not_undo_it)
{
    const uint32_t address = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    enum fo_binding_status last;
    still_partner_hold(true);
    binding->times.lease_expiration = now() - FO_EXPIRY_GUARD;
    fo_table_watch_end(&service->table, binding);
    settle();
    ck_assert_int_eq(status_of(address), FO_EXPIRED);
    still_partner_told(address, &last);
    ck_assert_int_eq(last, FO_EXPIRED);
    says(address, FO_BACKUP);
    ck_assert_int_eq(status_of(address), FO_EXPIRED);
    ck_assert(is_set(&pool_of(address)->unacked, address));
    still_partner_hold(false);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert(fo_table_ours(&service->table, pool_of(address), address));
}
END_TEST

/* The lease that we gave meanwhile runs on, however often it is said. */
START_TEST(a_decline_that_is_told_twice_ends_no_lease_of_ours)
{
    const uint32_t address = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    const uint32_t end = now() + 10 * MCLT;
    still_partner_hold(true);
    binding->times.lease_expiration = end;
    fo_touch(service, pool_of(address), address);
    for (int i = 0; i < 2; i++) {
        says(address, FO_ABANDONED);
        ck_assert_int_eq(status_of(address), FO_ABANDONED);
        ck_assert_uint_eq(binding->times.lease_expiration, end);
    }
}
END_TEST

/* Be it by a few seconds only. (The probation is none here.) */
START_TEST(the_end_of_a_decline_is_none_of_a_lease_given_meanwhile)
{
    const uint32_t address = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    still_partner_hold(true);
    binding->times.lease_expiration = now() + 3;
    fo_touch(service, pool_of(address), address);
    says(address, FO_ABANDONED);
    says(address, FO_RESET);
    ck_assert_int_eq(status_of(address), FO_ABANDONED);
    still.ms += 4000;
    says(address, FO_RESET);
    ck_assert_int_ne(status_of(address), FO_ABANDONED);
}
END_TEST

/* Should this server forget it, the partner must not take the address for free before that end. */
START_TEST(the_partner_is_told_how_long_a_declined_address_is_leased)
{
    const uint32_t address = leased(FIRST), probation = 30;
    struct fo_binding *binding = fo_table_find(&service->table, address);
    const uint32_t end = now() + 10 * MCLT;
    service->decline_probation = probation;
    binding->times.lease_expiration = end;
    still_partner_hold(true);
    fo_touch(service, pool_of(address), address);
    says(address, FO_ABANDONED);
    still_partner_hold(false);
    fo_touch(service, pool_of(address), address);
    settle();
    ck_assert_uint_eq(still_partner_told_since(address) + probation, end);
    ck_assert_uint_lt(binding->start_of_state + probation, end);
}
END_TEST

/* ------------------------------------------------------------------ how loudly */

static void partner_rejects(uint32_t address, uint8_t reason)
{
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    const struct fo_acknowledgement ack = {.address = address, .reject_reason = reason,
                                           .generation = binding ? binding->generation : 0};
    fo_bitmap_set(&pool_of(address)->unacked, bit_in(pool_of(address), address));
    fo_take_acknowledgement(relationship, &ack);
    ck_assert(is_set(&pool_of(address)->rejected, address));
}

START_TEST(an_ordinary_crossing_is_no_warning)
{
    partner_rejects(one_of(FIRST, false), FO_REJECT_OUTDATED);
    partner_rejects(one_of(FIRST, true), FO_REJECT_LESS_CRITICAL);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_OUTDATED], 2);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_REJECTED], 0);
    ck_assert_int_eq(fo_log_texts[FAILOVER_UPDATE_OUTDATED].severity, FO_LOG_DEBUG);
    partner_rejects(one_of(FIRST, false), FO_REJECT_NOT_RESERVED);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_REJECTED], 1);
    ck_assert_int_eq(fo_log_texts[FAILOVER_UPDATE_REJECTED].severity, FO_LOG_WARN);
}
END_TEST

START_TEST(an_ordinary_crossing_is_no_warning_at_the_other_server)
{
    const uint32_t address = leased(FIRST);
    says(address, FO_EXPIRED); /* it is not over */
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
    ck_assert_uint_eq(still_partner_rejected(), 1);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_SURPASSED], 1);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_REFUSED], 0);
    ck_assert_int_eq(fo_log_texts[FAILOVER_UPDATE_SURPASSED].severity, FO_LOG_DEBUG);
}
END_TEST

START_TEST(addresses_that_the_partner_has_in_no_pool_are_one_warning)
{
    for (uint32_t hour = 1; hour <= 2; hour++) {
        for (uint32_t i = 0; i < SIZE; i++)
            partner_rejects(FIRST + i, FO_REJECT_ILLEGAL_ADDRESS);
        ck_assert_uint_eq(still.said[FAILOVER_UPDATE_OUTSIDE_PARTNERS_POOLS], hour);
        ck_assert_uint_eq(still.said[FAILOVER_UPDATE_REJECTED], 0);
        still.ms += FO_DIFFER_LOG_MS;
    }
}
END_TEST

START_TEST(addresses_that_we_have_in_no_pool_are_one_warning)
{
    for (uint32_t i = 0; i < 10; i++)
        says(OTHER + SIZE + i, FO_BACKUP);
    ck_assert_uint_eq(still_partner_rejected(), 10);
    ck_assert_uint_eq(still.said[FAILOVER_UPDATE_OUTSIDE_POOLS], 1);
}
END_TEST

/* ------------------------------------------------------------------ a partner that forgot */

/* An address that we have asked the partner for, and not got yet. */
static uint32_t asked_back(uint32_t first)
{
    const uint32_t address = one_of(first, true);
    still_partner_hold(true);
    fo_table_set_owner(&service->table, pool_of(address), address, false);
    fo_bitmap_set(&pool_of(address)->returning, bit_in(pool_of(address), address));
    fo_table_refresh(&service->table, pool_of(address), address);
    fo_touch(service, pool_of(address), address);
    settle();
    return address;
}

START_TEST(a_partner_that_forgot_is_told_of_pools_that_come_back)
{
    const uint32_t lease = leased(FIRST), backup = one_of(FIRST, true), asked = asked_back(FIRST);
    const uint32_t end = fo_table_find(&service->table, lease)->times.received_potential;
    const uint32_t used_once = one_of(FIRST, false);
    ck_assert_uint_ne(backup, lease);
    ck_assert_ptr_nonnull(fo_table_make(&service->table, used_once));
    ck_assert(!is_set(&pool_of(used_once)->unacked, used_once));
    load(false);
    struct fo_now moment = fo_service_now(service);
    fo_partner_forgot(relationship);
    ck_assert_uint_eq(fo_updates_requested(relationship, true), FO_MARKED_LATER);
    fo_requested_finish(relationship, &moment);
    ck_assert(service->dirty); /* nobody asks for it a second time */
    ck_assert_uint_gt(fo_table_past(&service->table, lease)->dirty.count, 0);
    load(true);
    ck_assert(is_set(&pool_of(lease)->unacked, lease));
    ck_assert_uint_ge(fo_table_find(&service->table, lease)->times.lease_expiration, end + MCLT);
    ck_assert_uint_eq(fo_table_find(&service->table, lease)->cltt, now());
    ck_assert(is_set(&pool_of(backup)->unacked, backup));
    ck_assert(is_set(&pool_of(used_once)->unacked, used_once));
    ck_assert_int_eq(status_of(asked), FO_BACKUP);
    ck_assert(is_set(&pool_of(asked)->unacked, asked));
    ck_assert(!is_set(&pool_of(asked)->returning, asked));
}
END_TEST

/* The partner's word on a lease that has ended, as it was sent last. */
static void acknowledge_last(const struct fo_binding *binding)
{
    const struct fo_acknowledgement ack = {.address = binding->address,
                                           .generation = binding->generation};
    fo_take_acknowledgement(relationship, &ack);
}

START_TEST(nothing_ends_before_what_the_partner_forgot_of_it_is_held)
{
    const uint32_t lease = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, lease);
    still_partner_hold(true);
    fo_end_lease(service, pool_of(lease), binding, FO_EXPIRED, now());
    settle();
    ck_assert(is_set(&pool_of(lease)->in_flight, lease));
    fo_partner_forgot(relationship);
    ck_assert_uint_eq(fo_updates_requested(relationship, true), FO_MARKED_LATER);
    acknowledge_last(binding);
    ck_assert_int_eq(status_of(lease), FO_EXPIRED);
    says(lease, FO_FREE); /* judged after the walk, which is in the next step */
    ck_assert_int_eq(status_of(lease), FO_ACTIVE);
    ck_assert(binding->flags & FO_FLAG_DOUBTFUL);
    ck_assert_uint_ge(binding->times.lease_expiration, now() + MCLT - 1);
}
END_TEST

/* It may have given the address to another client, and has forgotten that, too. */
START_TEST(who_has_forgotten_all_does_not_settle_whose_a_lease_is)
{
    const uint32_t lease = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, lease);
    struct fo_now moment = fo_service_now(service);
    still_partner_hold(true);
    fo_end_lease(service, pool_of(lease), binding, FO_EXPIRED, now());
    relationship->endpoint.record.state = FO_STATE_COMMUNICATIONS_INTERRUPTED;
    fo_partner_forgot(relationship);
    fo_updates_requested(relationship, true);
    relationship->endpoint.partner_request = true;
    fo_requested_finish(relationship, &moment);
    ck_assert(is_set(&pool_of(lease)->requested, lease));
    acknowledge_last(binding);
    ck_assert(!is_set(&pool_of(lease)->requested, lease)); /* it gets UPDDONE */
    ck_assert(binding->flags & FO_FLAG_DOUBTFUL);
    ck_assert(is_set(&pool_of(lease)->unacked, lease));
    relationship->endpoint.record.state = FO_STATE_NORMAL;
    acknowledge_last(binding);
    ck_assert(!(binding->flags & FO_FLAG_DOUBTFUL));
    ck_assert(!is_set(&pool_of(lease)->unacked, lease));
}
END_TEST

/* ------------------------------------------------------------------ our own past */

/* Since then the disk may have stalled: clients with leases were served all the same. */
START_TEST(after_a_power_cut_there_may_have_been_transactions_until_the_restart)
{
    const uint32_t lease = leased(FIRST);
    still.ms += 50000;
    struct fo_now moment = fo_service_now(service);
    service->stamp_durable = moment.seconds - 40;
    fo_doubt_own_past(service, &moment);
    ck_assert_uint_eq(fo_table_find(&service->table, lease)->cltt, moment.seconds);
}
END_TEST

START_TEST(a_quarantine_is_longer_than_any_lease_that_it_is_for)
{
    struct fo_now moment = fo_service_now(service);
    service->stamp_durable = moment.seconds - FO_STAMP_LATE_S;
    fo_doubt_own_past(service, &moment);
    ck_assert_uint_gt(service->quarantine_until, moment.seconds + MCLT + 1);
}
END_TEST

/* A renewal that only Kea's row tells of, shorter than the lease was: a RELEASED from before is older. */
START_TEST(a_later_transaction_in_keas_row_counts_though_its_end_does_not)
{
    const uint32_t lease = leased(FIRST);
    const struct fo_binding *binding = fo_table_find(&service->table, lease);
    const uint32_t end = binding->times.lease_expiration;
    still.ms += 10000;
    const struct fo_row row = {
        .address = lease, .subnet_id = SUBNET, .state = FO_ROW_LEASED, .cltt = now(), .length = 5,
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6}};
    fo_reconcile_begin(service);
    fo_reconcile_row(service, &row);
    fo_reconcile_end(service);
    ck_assert_uint_eq(binding->times.lease_expiration, end);
    ck_assert_uint_eq(binding->cltt, now());
    ck_assert(is_set(&pool_of(lease)->unacked, lease));
    ck_assert(is_set(&pool_of(lease)->rows, lease));
}
END_TEST

/* Kea's database may have lost the renewal that our store has lost, too. */
START_TEST(a_lease_that_only_keas_row_remembers_may_have_been_renewed)
{
    const uint32_t address = one_of(FIRST, false);
    const struct fo_row row = {
        .address = address, .subnet_id = SUBNET, .state = FO_ROW_LEASED, .cltt = now(), .length = 5,
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6}};
    const struct fo_now moment = fo_service_now(service);
    still.ms += 1000;
    service->stamp_durable = moment.seconds;
    fo_quarantine_open(service);
    fo_doubt_own_past(service, &moment);
    pool_of(address)->reconciled = false;
    fo_reconcile_begin(service);
    fo_reconcile_row(service, &row);
    fo_reconcile_end(service);
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
    ck_assert_uint_ge(fo_table_find(&service->table, address)->times.lease_expiration,
                      moment.seconds + MCLT);
    ck_assert(is_set(&pool_of(address)->rows, address));
}
END_TEST

START_TEST(after_a_power_cut_leases_of_a_pool_that_is_away_are_doubted)
{
    const uint32_t lease = leased(FIRST);
    load(false);
    struct fo_now moment = fo_service_now(service);
    moment.seconds += MCLT;
    still.ms += MCLT * 1000;
    service->stamp_durable = moment.seconds;
    fo_doubt_own_past(service, &moment);
    load(true);
    ck_assert_uint_ge(fo_table_find(&service->table, lease)->times.lease_expiration,
                      moment.seconds + MCLT);
    ck_assert(is_set(&pool_of(lease)->unacked, lease));
}
END_TEST

static enum fo_answer renew(uint32_t address, struct fo_decision *decision)
{
    const struct fo_query query = {
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6},
        .message_type = REQUEST, .ciaddr = address, .secs = 100};
    fo_query_received(service, &query, decision);
    if (decision->answer == FO_PASS)
        fo_subnet_selected(service, SUBNET, &query, NULL, NULL, decision);
    return decision->answer;
}

/* The store still says that the last run ended in order, so the next one would doubt nothing. */
START_TEST(nothing_is_promised_before_the_first_commit_after_an_orderly_stop)
{
    struct fo_decision decision;
    const uint32_t lease = leased(FIRST);
    service->orderly = true;
    service->stamp_durable = 0;
    ck_assert_int_eq(renew(lease, &decision), FO_DROP);
    still.ms += FO_STAMP_MS;
    settle();
    ck_assert_int_eq(renew(lease, &decision), FO_PASS);
    fo_claim_release(service, &decision.claim);
}
END_TEST

static enum fo_answer discover(uint32_t wish, uint32_t *offered)
{
    const struct fo_query query = {
        .client = {.hardware = hardware, .hardware_type = 1, .hardware_length = 6},
        .message_type = DISCOVER, .asks_address = true, .asked_address = wish, .secs = 100};
    struct fo_decision decision;
    fo_query_received(service, &query, &decision);
    fo_subnet_selected(service, SUBNET, &query, NULL, NULL, &decision);
    *offered = decision.address;
    return decision.answer;
}

/* With a disk that fails now, the store would still know the lease before after a power cut, and give
   the address to its client. */
START_TEST(an_address_is_not_leased_anew_before_it_is_stored_that_its_lease_is_over)
{
    const uint32_t address = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    struct fo_decision decision;
    uint32_t offered;
    still_partner_hold(true);
    binding->times.lease_expiration = now() - FO_EXPIRY_GUARD;
    fo_table_watch_end(&service->table, binding);
    settle();
    ck_assert_int_eq(status_of(address), FO_EXPIRED); /* of which the partner has been told */
    still.commit_error = ENOSPC;
    still_partner_hold(false);
    settle();
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert(fo_table_ours(&service->table, pool_of(address), address));
    ck_assert(!is_set(&pool_of(address)->available, address));
    ck_assert_int_eq(renew(address, &decision), FO_DROP);
    ck_assert_int_eq(discover(address, &offered), FO_PASS);
    ck_assert_uint_ne(offered, address);
    still.commit_error = 0;
    still.ms += 1000;
    settle();
    ck_assert(is_set(&pool_of(address)->available, address));
    ck_assert_int_eq(renew(address, &decision), FO_PASS);
    fo_claim_release(service, &decision.claim);
}
END_TEST

/* ------------------------------------------------------------------ pools that are not ours */

/* Kea's engine may see that row first, and refuse the client what it holds. */
START_TEST(the_row_of_a_client_goes_though_its_pool_has_gone)
{
    const uint32_t left = leased(FIRST), held = leased(OTHER);
    struct fo_decision decision;
    struct fo_claim claim;
    const struct fo_query query = {
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6},
        .message_type = REQUEST, .ciaddr = held};
    load(false);
    ck_assert_int_eq(renew(held, &decision), FO_PASS);
    ck_assert(fo_moved_from(service, &query, &decision, 0, &claim));
    ck_assert_uint_eq(claim.address, left);
    ck_assert_int_eq(fo_table_find(&service->table, left)->status, FO_RELEASED);
    fo_claim_release(service, &claim);
    ck_assert(!fo_moved_from(service, &query, &decision, left, &claim));
    fo_claim_release(service, &decision.claim);
}
END_TEST

START_TEST(what_no_relationship_governs_any_more_is_keas_alone)
{
    const uint32_t lease = leased(FIRST);
    struct fo_row row;
    config.relationships[0].subnets = malloc(sizeof *config.relationships[0].subnets);
    ck_assert_ptr_nonnull(config.relationships[0].subnets);
    config.relationships[0].subnets[0] = SUBNET + 1;
    config.relationships[0].subnet_count = 1;
    fo_mark_row(service, pool_of(lease), lease);
    load(true);
    ck_assert_int_lt(pool_of(lease)->relationship, 0);
    still.ms += 10 * MCLT * 1000;
    still_settle(service);
    ck_assert_int_eq(status_of(lease), FO_ACTIVE);
    ck_assert(!fo_rows_next(service, &row));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crossings");
    TCase *all = tcase_create("crossings");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, backup_that_crosses_our_end_does_not_undo_it);
    tcase_add_test(all, a_decline_that_is_told_twice_ends_no_lease_of_ours);
    tcase_add_test(all, the_end_of_a_decline_is_none_of_a_lease_given_meanwhile);
    tcase_add_test(all, the_partner_is_told_how_long_a_declined_address_is_leased);
    tcase_add_test(all, an_ordinary_crossing_is_no_warning);
    tcase_add_test(all, an_ordinary_crossing_is_no_warning_at_the_other_server);
    tcase_add_test(all, addresses_that_the_partner_has_in_no_pool_are_one_warning);
    tcase_add_test(all, addresses_that_we_have_in_no_pool_are_one_warning);
    tcase_add_test(all, a_partner_that_forgot_is_told_of_pools_that_come_back);
    tcase_add_test(all, nothing_ends_before_what_the_partner_forgot_of_it_is_held);
    tcase_add_test(all, who_has_forgotten_all_does_not_settle_whose_a_lease_is);
    tcase_add_test(all, after_a_power_cut_there_may_have_been_transactions_until_the_restart);
    tcase_add_test(all, a_quarantine_is_longer_than_any_lease_that_it_is_for);
    tcase_add_test(all, a_later_transaction_in_keas_row_counts_though_its_end_does_not);
    tcase_add_test(all, a_lease_that_only_keas_row_remembers_may_have_been_renewed);
    tcase_add_test(all, after_a_power_cut_leases_of_a_pool_that_is_away_are_doubted);
    tcase_add_test(all, nothing_is_promised_before_the_first_commit_after_an_orderly_stop);
    tcase_add_test(all, an_address_is_not_leased_anew_before_it_is_stored_that_its_lease_is_over);
    tcase_add_test(all, the_row_of_a_client_goes_though_its_pool_has_gone);
    tcase_add_test(all, what_no_relationship_governs_any_more_is_keas_alone);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
