/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What was forgotten: by a partner without a store, which has to be told all, also of addresses that are
 * in no pool at that moment; and by this server in a power cut (rules of safety 7, 9 and 17).
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/two_pools.h"

enum { DISCOVER = 1, REQUEST = 3 };

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
    leave();
    fo_partner_forgot(relationship);
    ck_assert_uint_eq(fo_updates_requested(relationship, true), FO_MARKED_LATER);
    finish_walk();
    ck_assert(service->dirty); /* nobody asks for it a second time */
    ck_assert_uint_gt(pool_of(lease)->dirty.count, 0);
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

/* What is to be held is an address, whose pool may go and come meanwhile. */
START_TEST(a_walk_goes_on_over_reloads)
{
    const uint32_t lease = leased(FIRST), asked = asked_back(FIRST);
    const uint32_t end = fo_table_find(&service->table, lease)->times.received_potential;
    fo_partner_forgot(relationship);
    ck_assert_uint_eq(fo_updates_requested(relationship, true), FO_MARKED_LATER);
    load(true);
    ck_assert(relationship->walk.on && !is_set(&pool_of(lease)->unacked, lease));
    ck_assert(!service->doubts.moved);
    if (_i != 0)
        leave();
    ck_assert(service->doubts.moved == (_i != 0));
    if (_i == 1)
        finish_walk();
    load(true);
    ck_assert(relationship->walk.on == (_i != 1));
    finish_walk();
    ck_assert(!service->doubts.on && !service->doubts.moved);
    ck_assert(is_set(&pool_of(lease)->unacked, lease));
    ck_assert_uint_ge(fo_table_find(&service->table, lease)->times.lease_expiration, end + MCLT);
    ck_assert_int_eq(status_of(asked), FO_BACKUP);
    ck_assert_uint_eq(pool_of(lease)->doubted.count, 0);
}
END_TEST

/* Of a lease that goes on nobody waits for the row, which is there. */
START_TEST(a_lease_that_goes_on_is_told_before_its_row_ends_later)
{
    const uint32_t lease = leased(FIRST), ended = leased(OTHER);
    enum fo_binding_status last;
    struct fo_row row;
    fo_end_lease(service, pool_of(ended), fo_table_find(&service->table, ended), FO_EXPIRED, now());
    const unsigned before = still_partner_told(lease, &last), of_ended = still_partner_told(ended, &last);
    fo_partner_forgot(relationship);
    ck_assert_uint_eq(fo_updates_requested(relationship, true), FO_MARKED_LATER);
    finish_walk();
    ck_assert(is_set(&pool_of(lease)->rows_later, lease) && !is_set(&pool_of(lease)->rows, lease));
    ck_assert(is_set(&pool_of(ended)->rows, ended) && !is_set(&pool_of(ended)->rows_later, ended));
    still.ms += FO_COMMIT_LOADED_MS;
    still_partner_settle(service);
    ck_assert_uint_eq(still_partner_told(lease, &last), before + 1);
    ck_assert_uint_eq(still_partner_told(ended, &last), of_ended); /* its row goes first (2) */
    ck_assert(fo_rows_next(service, &row));
    ck_assert_uint_eq(row.address, ended); /* before the other, which comes first by its address */
    fo_rows_done(service, &row, NULL, NULL);
    ck_assert(fo_rows_next(service, &row));
    ck_assert_uint_eq(row.address, lease);
    ck_assert_uint_eq(row.cltt + row.length, /* no step of the wall clock: the same time */
                      fo_table_find(&service->table, lease)->times.lease_expiration);
    fo_rows_done(service, &row, NULL, NULL);
    ck_assert(fo_row_follows(pool_of(lease), bit_in(pool_of(lease), lease)));
}
END_TEST

/* Rows and the commit go on side by side. */
START_TEST(what_is_stored_when_its_row_is_written_waits_for_no_other_commit)
{
    const uint32_t lease = one_of(FIRST, true), other = one_of(OTHER, false);
    const unsigned before = still_partner_accepted();
    struct fo_row row;
    tells(lease, FO_ACTIVE);
    still_partner_settle(service);
    still.ms += FO_COMMIT_LOADED_MS;
    still_partner_settle(service);
    ck_assert(fo_table_stored(pool_of(lease), lease));
    ck_assert_uint_eq(still_partner_accepted(), before); /* its row waits */
    fo_mark_dirty(service, pool_of(other), other);
    ck_assert(fo_rows_next(service, &row));
    fo_rows_done(service, &row, NULL, NULL);
    still_partner_settle(service);
    ck_assert(is_set(&pool_of(other)->dirty, other));
    ck_assert_uint_eq(still_partner_accepted(), before + 1);
}
END_TEST

/* It may have given the address to another client, and has forgotten that, too. */
START_TEST(who_has_forgotten_all_does_not_settle_whose_a_lease_is)
{
    const uint32_t lease = leased(FIRST);
    struct fo_binding *binding = fo_table_find(&service->table, lease);
    still_partner_hold(true);
    fo_end_lease(service, pool_of(lease), binding, FO_EXPIRED, now());
    relationship->endpoint.record.state = FO_STATE_COMMUNICATIONS_INTERRUPTED;
    fo_partner_forgot(relationship);
    fo_updates_requested(relationship, true);
    relationship->endpoint.partner_request = true;
    finish_walk();
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

/* B3: whoever wonders why free addresses are not given sees how many, and until when. */
START_TEST(a_quarantine_can_be_seen)
{
    struct fo_relationship_status status;
    struct fo_now moment = fo_service_now(service);
    ck_assert(fo_relationship_status(service, 0, &status));
    ck_assert_uint_eq(status.quarantined, 0);
    ck_assert_uint_eq(status.quarantined_until, 0);
    service->stamp_durable = moment.seconds;
    fo_quarantine_open(service);
    fo_doubt_own_past(service, &moment);
    ck_assert(fo_relationship_status(service, 0, &status));
    ck_assert_uint_gt(status.quarantined, 0);
    ck_assert_uint_eq(status.quarantined_until, fo_to_wall(service, service->quarantine_until));
    still_later(service, (MCLT + 2 * FO_STAMP_LATE_S) * 1000);
    ck_assert(fo_relationship_status(service, 0, &status));
    ck_assert_uint_eq(status.quarantined, 0);
    ck_assert_uint_eq(status.quarantined_until, 0);
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

/* An update of the partner's has put its client in the place of another one, as where both servers were alone;
   that one's row is still to be written, or a power cut has brought it back. */
START_TEST(the_row_of_a_client_that_had_to_leave_is_no_news)
{
    const uint32_t lease = leased(FIRST);
    const uint8_t left[6] = {2, 0, 0, 0, 0, 8};
    const struct fo_client client = {.hardware = left, .hardware_type = 1, .hardware_length = 6};
    still.ms += 20000;
    service->away_since = now() + (_i == 1 ? 6 : 0);
    const struct fo_row row = {.address = lease, .subnet_id = SUBNET, .state = FO_ROW_LEASED,
                               .cltt = now(), .length = 60, .client = client};
    still.ms += 20000;
    pool_of(lease)->reconciled = _i == 0;
    fo_reconcile_begin(service);
    fo_reconcile_row(service, &row);
    fo_reconcile_end(service);
    const bool stays = fo_table_same_client(fo_table_find(&service->table, lease), &client);
    ck_assert(stays == (_i == 2)); /* then Kea has given it without us */
    ck_assert(is_set(&pool_of(lease)->rows, lease) == (_i != 2));
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

/* Another library may keep a query while a configuration takes the pool of its address away. */
START_TEST(a_query_whose_pool_has_gone_moves_nobody)
{
    const uint32_t claimed = leased(FIRST), held = leased(OTHER);
    struct fo_decision decision;
    struct fo_claim claim;
    const struct fo_query query = {
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6},
        .message_type = REQUEST, .ciaddr = claimed};
    still.ms += 1000 * (FO_TRANSACTION_GUARD + 1) + FO_AGE_MOST; /* or it may be of before the other lease */
    settle();
    ck_assert_int_eq(renew(claimed, &decision), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, claimed);
    load(false);
    ck_assert(!fo_has_moved(service, &query, &decision));
    ck_assert(!fo_moved_from(service, &query, &decision, 0, &claim));
    ck_assert_int_eq(status_of(held), FO_ACTIVE);
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

/* ------------------------------------------------------------------ and a crash */

static struct {
    uint8_t key[32], value[FO_PAGE_BYTES];
    size_t key_length, length;
} kept[64];
static size_t kept_count;

static void keep(const struct fo_store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct fo_store_write *write = &batch->writes[i];
        size_t at = 0;
        while (at < kept_count && (kept[at].key_length != write->key_length ||
                                   memcmp(kept[at].key, write->key, write->key_length) != 0))
            at++;
        if (at == kept_count)
            kept_count++;
        ck_assert_uint_lt(at, sizeof kept / sizeof kept[0]);
        ck_assert(write->key_length <= sizeof kept[at].key && write->value_length <= sizeof kept[at].value);
        kept[at].key_length = write->key_length;
        kept[at].length = write->value_length;
        memcpy(kept[at].key, write->key, write->key_length);
        memcpy(kept[at].value, write->value, write->value_length);
    }
}

static int load_kept(void *context, fo_store_visitor *visit, void *argument)
{
    (void)context;
    for (size_t i = 0; i < kept_count; i++)
        visit(argument, kept[i].key, kept[i].key_length, kept[i].value, kept[i].length);
    return 0;
}

/* The process dies; what was committed is there in the next. */
static void crash(void)
{
    char error[FO_CONFIG_ERROR_MAX];
    static struct fo_env env;
    env = still_env;
    env.store_load = load_kept;
    fo_service_free(service);
    still.committing = false;
    service = fo_service_new(&env, error);
    ck_assert_ptr_nonnull(service);
    load(true);
    relationship = service->relationships[0];
}

/* A relationship that is gone has no partner that asks again: what it may have promised is held all the same,
   once. */
START_TEST(what_the_partner_of_a_relationship_that_is_gone_forgot_is_held_after_a_crash)
{
    kept_count = 0;
    still.stores = keep;
    const uint32_t lease = leased(FIRST);
    const uint32_t end = fo_table_find(&service->table, lease)->times.received_potential;
    fo_partner_forgot(relationship);
    snprintf(config.relationships[0].name, sizeof config.relationships[0].name, "other");
    load(true);
    const struct fo_now moment = fo_service_now(service);
    fo_persistence_commit(service, &moment);
    ck_assert(still.committing);
    crash();
    ck_assert_uint_lt(fo_table_find(&service->table, lease)->times.lease_expiration, end + MCLT);
    ck_assert(fo_ends_wait(relationship));
    still_later(service, 1000);
    ck_assert(!fo_ends_wait(relationship));
    const uint32_t held = fo_table_find(&service->table, lease)->times.lease_expiration;
    ck_assert_uint_ge(held, end + MCLT);
    crash();
    ck_assert(!fo_ends_wait(relationship));
    ck_assert_uint_eq(fo_table_find(&service->table, lease)->times.lease_expiration, held);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forgotten");
    TCase *all = tcase_create("forgotten");
    tcase_add_checked_fixture(all, two_pools_start, two_pools_stop);
    tcase_add_test(all, a_partner_that_forgot_is_told_of_pools_that_come_back);
    tcase_add_test(all, nothing_ends_before_what_the_partner_forgot_of_it_is_held);
    tcase_add_loop_test(all, a_walk_goes_on_over_reloads, 0, 3);
    tcase_add_test(all, a_lease_that_goes_on_is_told_before_its_row_ends_later);
    tcase_add_test(all, what_is_stored_when_its_row_is_written_waits_for_no_other_commit);
    tcase_add_test(all, who_has_forgotten_all_does_not_settle_whose_a_lease_is);
    tcase_add_test(all, after_a_power_cut_there_may_have_been_transactions_until_the_restart);
    tcase_add_test(all, a_quarantine_is_longer_than_any_lease_that_it_is_for);
    tcase_add_test(all, a_quarantine_can_be_seen);
    tcase_add_test(all, a_later_transaction_in_keas_row_counts_though_its_end_does_not);
    tcase_add_loop_test(all, the_row_of_a_client_that_had_to_leave_is_no_news, 0, 3);
    tcase_add_test(all, a_lease_that_only_keas_row_remembers_may_have_been_renewed);
    tcase_add_test(all, after_a_power_cut_leases_of_a_pool_that_is_away_are_doubted);
    tcase_add_test(all, nothing_is_promised_before_the_first_commit_after_an_orderly_stop);
    tcase_add_test(all, an_address_is_not_leased_anew_before_it_is_stored_that_its_lease_is_over);
    tcase_add_test(all, the_row_of_a_client_goes_though_its_pool_has_gone);
    tcase_add_test(all, a_query_whose_pool_has_gone_moves_nobody);
    tcase_add_test(all, what_the_partner_of_a_relationship_that_is_gone_forgot_is_held_after_a_crash);
    tcase_add_test(all, what_no_relationship_governs_any_more_is_keas_alone);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
