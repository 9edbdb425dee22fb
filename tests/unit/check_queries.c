/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a callout asks, of one primary alone in a still environment: whom it answers (5.3, service
 * table of section 9), which address, silence or NAK, claims that undo themselves (rule of safety 1),
 * reservations (rule of safety 16). Every second free address is the partner's.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/hash_bucket.h"
#include "tests/unit/still_primary.h"

static enum fo_binding_status status_of(uint32_t address)
{
    return fo_table_status(&service->table, &service->table.pools[0], address);
}

/* ------------------------------------------------------------------ whom it answers */

START_TEST(a_client_of_our_bucket_is_offered_an_address_of_ours)
{
    client(true, 0);
    const uint32_t address = offered();
    ck_assert(decision.steer);
    ck_assert_uint_eq(address % 2, 0);
    ck_assert_uint_ne(address, RESERVED);
}
END_TEST

static const struct {
    uint16_t secs;
    enum fo_answer answer;
} waits[] = {
    {0, FO_DROP}, {3, FO_DROP}, {4, FO_PASS}, {255, FO_PASS}, {256 + 1, FO_PASS},
    {1 << 8, FO_DROP}, {3 << 8, FO_DROP}, {4 << 8, FO_PASS}, /* bytes exchanged */
};

START_TEST(a_client_of_the_partners_bucket_waits)
{
    client(false, 0);
    query.secs = waits[_i].secs;
    ck_assert_int_eq(ask(DISCOVER), waits[_i].answer);
    if (decision.answer == FO_DROP) {
        ck_assert_str_eq(decision.refusal.reason, "load balancing");
        ck_assert_str_eq(decision.refusal.relationship, "a-b");
        ck_assert_str_eq(decision.refusal.owner, "b");
        ck_assert_uint_eq(decision.bucket, fo_hash_bucket(query.client.hardware, 6));
    }
}
END_TEST

START_TEST(who_renews_or_names_us_is_served_whatever_the_bucket)
{
    const uint32_t address = lease(false, 0);
    query.secs = 0;
    ck_assert_int_eq(renew(address), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, address);
    granted(600);
    query.ciaddr = 0;
    ck_assert_int_eq(reboot(address), FO_DROP); /* INIT-REBOOT is balanced */
    ck_assert_int_eq(select_address(address), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, address);
}
END_TEST

static const struct {
    enum fo_state state;
    enum fo_answer discover, other;
} states[] = {
    {FO_STATE_NORMAL, FO_PASS, FO_DROP},
    {FO_STATE_COMMUNICATIONS_INTERRUPTED, FO_PASS, FO_PASS},
    {FO_STATE_RECOVER, FO_DROP, FO_DROP},
    {FO_STATE_RECOVER_WAIT, FO_DROP, FO_DROP},
    {FO_STATE_PAUSED, FO_DROP, FO_DROP},
};

START_TEST(the_state_decides_who_is_served)
{
    still_primary_enter(states[_i].state);
    client(true, 0);
    ck_assert_int_eq(ask(DISCOVER), states[_i].discover);
    client(false, 0);
    ck_assert_int_eq(ask(DISCOVER), states[_i].other);
}
END_TEST

/* ------------------------------------------------------------------ which address */

START_TEST(an_offer_is_held_for_its_client_and_for_so_long)
{
    client(true, 0);
    const uint32_t address = offered();
    ck_assert_uint_eq(offered(), address);
    client(true, 1);
    query.asks_address = true;
    query.asked_address = address;
    ck_assert_uint_ne(offered(), address);
    ck_assert_int_eq(reboot(address), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, 0);
    still_later(service, 31000);
    client(true, 2);
    query.asks_address = true;
    query.asked_address = address;
    ck_assert_uint_eq(offered(), address);
}
END_TEST

START_TEST(all_of_ours_are_offered_and_then_the_client_is_refused)
{
    bool seen[SIZE] = {false};
    for (unsigned i = 0; i < SIZE / 2 - 1; i++) {
        client(true, i);
        const uint32_t address = offered();
        ck_assert_uint_ge(address, FIRST);
        ck_assert_uint_le(address, LAST);
        ck_assert_uint_eq(address % 2, 0);
        ck_assert_uint_ne(address, RESERVED);
        ck_assert(!seen[address - FIRST]);
        seen[address - FIRST] = true;
    }
    client(true, SIZE);
    ck_assert_uint_eq(offered(), 0);
    ck_assert_uint_eq(relationship->clients_refused, 1);
    ck_assert_uint_eq(still.said[FAILOVER_NO_ADDRESS], 1);
}
END_TEST

START_TEST(a_lease_is_bounded_by_mclt)
{
    client(true, 0);
    const uint32_t address = offered();
    ck_assert_int_eq(select_address(address), FO_PASS);
    ck_assert_uint_eq(granted(600), MCLT);
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
}
END_TEST

/* ------------------------------------------------------------------ silence or NAK */

/* Off by less than what a whole second can tell, Kea's clock counts as ours. But a client counts from
   when it asked: we must not count from a second and a half before, nor (rule of safety 4) from later. */
static const int32_t wall_steps[] = {0, -700, -1499, 700, 1499, -90000, 90000};

START_TEST(a_lease_is_not_over_before_its_client_says_so)
{
    const uint32_t address = lease(true, 0);
    uint32_t length = 600, row_length = 0;
    still.wall_step = wall_steps[_i];
    for (int second = 0; second < 5; second++) { /* asks at any part of a second, is answered late */
        still.ms += 1250;
        const int64_t asked = still.ms;
        const uint32_t now = (uint32_t)(STILL_SECONDS + asked / 1000);
        const uint32_t cltt = (uint32_t)(STILL_SECONDS + (asked + still.wall_step) / 1000);
        length = 600;
        ck_assert_int_eq(renew(address), FO_PASS);
        ck_assert_int_eq(fo_lease_requested(service, SUBNET, &query, &decision, address, &length),
                         FO_PASS);
        still.ms += second * 900;
        ck_assert_int_eq(fo_committed(service, SUBNET, &query, &decision, cltt, length, 600,
                                      NULL, &row_length), FO_PASS);
        fo_claim_release(service, &decision.claim);
        const uint32_t end = fo_table_find(&service->table, address)->times.lease_expiration;
        ck_assert_uint_ge(end, now + length);
        ck_assert_uint_le(end, now + MCLT + 1);
        ck_assert_uint_eq(row_length, length); /* it is the end, in Kea's clock */
    }
}
END_TEST

/* Nor does a packet that waits between two callouts: a lease that rests on what the partner has
   acknowledged would go past it. */
START_TEST(a_lease_is_bounded_from_when_that_was_decided)
{
    const uint32_t address = lease(true, 0);
    uint32_t length = 600, row_length = 0;
    const uint32_t now = (uint32_t)(STILL_SECONDS + still.ms / 1000);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    binding->times.acked_potential = now + 200;
    ck_assert_int_eq(renew(address), FO_PASS);
    ck_assert_int_eq(fo_lease_requested(service, SUBNET, &query, &decision, address, &length),
                     FO_PASS);
    ck_assert_uint_eq(length, 200 + MCLT);
    still.ms += 9000;
    still.wall_step = _i * 90000;
    ck_assert_int_eq(fo_committed(service, SUBNET, &query, &decision, now, length, 600,
                                  NULL, &row_length), FO_PASS);
    ck_assert_uint_eq(binding->times.lease_expiration, now + 200 + MCLT);
    ck_assert_uint_eq(row_length, length);
}
END_TEST

START_TEST(silence_for_a_free_address_of_the_partners)
{
    client(true, 0);
    ck_assert_int_eq(reboot(FIRST + 1), FO_DROP);
}
END_TEST

START_TEST(a_nak_for_what_was_offered_and_lost_since)
{
    client(true, 0);
    const uint32_t address = offered();
    fo_table_set_owner(&service->table, &service->table.pools[0], address, true);
    ck_assert_int_eq(select_address(address), FO_PASS);
    ck_assert(decision.nak);
    ck_assert_uint_eq(decision.claim.address, 0);
}
END_TEST

START_TEST(kea_decides_about_somebody_elses_lease)
{
    uint32_t length = 600;
    const uint32_t address = lease(true, 0);
    client(true, 1);
    ck_assert_int_eq(reboot(address), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, 0);
    ck_assert_int_eq(fo_lease_requested(service, SUBNET, &query, &decision, address, &length),
                     FO_DROP); /* should it grant it after all */
    fo_claim_release(service, &decision.claim);
    query.ciaddr = address;
    ck_assert_int_eq(ask(RELEASE), FO_DROP);
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
}
END_TEST

/* ------------------------------------------------------------------ claims */

START_TEST(a_claim_undoes_itself)
{
    client(true, 0);
    const uint32_t address = offered();
    ck_assert_int_eq(select_address(address), FO_PASS);
    struct fo_claim first = decision.claim;
    ck_assert_uint_eq(first.address, address);
    ck_assert_int_eq(select_address(address), FO_DROP);
    ck_assert_str_eq(decision.refusal.reason, "the binding is being changed");
    fo_claim_release(service, &first);
    fo_claim_release(service, &first);
    ck_assert_int_eq(status_of(address), FO_FREE);
    ck_assert_int_eq(select_address(address), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, address);
}
END_TEST

/* The engine may have written; the row decides. */
START_TEST(where_no_commit_came_keas_row_is_read)
{
    struct fo_row row, found;
    uint32_t length = 600;
    client(true, 0);
    const uint32_t address = offered();
    ck_assert_int_eq(select_address(address), FO_PASS);
    fo_lease_requested(service, SUBNET, &query, &decision, address, &length);
    ck_assert(!fo_rows_next(service, &row)); /* not under the claim */
    fo_claim_release(service, &decision.claim);
    ck_assert(fo_rows_next(service, &row));
    ck_assert_int_eq(row.job, FO_ROW_READ);
    ck_assert_uint_eq(row.address, address);
    found = row;
    found.state = _i ? FO_ROW_LEASED : FO_ROW_ABSENT;
    found.cltt = (uint32_t)(STILL_SECONDS + still.ms / 1000);
    found.length = length;
    found.client = query.client;
    fo_rows_done(service, &row, &found, NULL);
    ck_assert_int_eq(status_of(address), _i ? FO_ACTIVE : FO_FREE);
}
END_TEST

/* Where Kea has not written, its row is of before what the partner has told since: the same end, or a longer one. */
START_TEST(an_older_row_makes_no_lease_older)
{
    struct fo_row row, found;
    const uint32_t address = lease(true, 0);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    struct fo_claim claim = {.address = address, .row_written = true};
    const uint32_t began = binding->cltt, end = binding->times.lease_expiration + (_i ? 60 : 0);
    binding->cltt += 20; /* the partner's client, by then */
    fo_claim_release(service, &claim);
    ck_assert(fo_rows_next(service, &row));
    ck_assert_int_eq(row.job, FO_ROW_READ);
    found = row;
    found.state = FO_ROW_LEASED;
    found.cltt = began;
    found.length = end - began;
    found.client = query.client;
    fo_rows_done(service, &row, &found, NULL);
    ck_assert_uint_eq(binding->cltt, began + 20);
    ck_assert_uint_eq(binding->times.lease_expiration, end);
    ck_assert(fo_rows_next(service, &row));
    ck_assert_int_eq(row.job, FO_ROW_PUT);
}
END_TEST

START_TEST(no_claim_while_a_row_is_at_work)
{
    struct fo_row row;
    const uint32_t address = lease(true, 0);
    query.ciaddr = address;
    ck_assert_int_eq(ask(RELEASE), FO_PASS);
    ck_assert(fo_released(service, &decision, true));
    fo_claim_release(service, &decision.claim);
    ck_assert_int_eq(status_of(address), FO_RELEASED);
    ck_assert(fo_rows_next(service, &row));
    ck_assert_int_eq(row.job, FO_ROW_DELETE);
    ck_assert_int_eq(renew(address), FO_DROP);
    fo_rows_done(service, &row, NULL, NULL);
    ck_assert_int_eq(renew(address), FO_PASS); /* not sent yet: the same client may have it again */
    ck_assert_uint_eq(decision.claim.address, address);
}
END_TEST

/* What became of it is known when its packet ends, which may be later. Else it would look later than what
   the partner has given the client since. */
START_TEST(a_release_is_of_when_it_came)
{
    const uint32_t address = lease(true, 0);
    still_later(service, 10000);
    const uint32_t came = (uint32_t)(STILL_SECONDS + still.ms / 1000);
    query.ciaddr = address;
    ck_assert_int_eq(ask(RELEASE), FO_PASS);
    still.ms += 9000;
    fo_released(service, &decision, true);
    fo_claim_release(service, &decision.claim);
    ck_assert_int_eq(status_of(address), FO_RELEASED);
    ck_assert_uint_eq(fo_table_find(&service->table, address)->cltt, came);
}
END_TEST

/* The partner tells of a lease of the present client's. */
static void partner_leases(uint32_t address, uint32_t seconds)
{
    const struct fo_now now = fo_service_now(service);
    uint8_t hardware[21] = {query.client.hardware_type};
    memcpy(hardware + 1, query.client.hardware, query.client.hardware_length);
    const struct fo_update update = {
        .address = address, .status = FO_ACTIVE, .client_last_transaction = now.seconds,
        .hardware_address = {hardware, query.client.hardware_length + 1U},
        .lease_expiration = now.seconds + seconds, .potential_expiration = now.seconds + seconds,
        .present = FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) | FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) |
                   FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME) | FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME)};
    ck_assert(fo_apply_update(service->relationships[0], fo_table_pool(&service->table, address), &update, false,
                              &now));
    ck_assert_uint_ge(fo_table_find(&service->table, address)->times.lease_expiration, now.seconds + seconds);
}

/* Rule of safety 7: a power cut would forget it together with what is made longer here; also where it has
   ended by now. */
START_TEST(a_lease_of_the_partners_is_renewed_once_it_is_stored)
{
    const uint32_t address = FIRST + 20;
    client(true, 0);
    still_settle(service);
    still.stuck = true;
    partner_leases(address, 5);
    ck_assert_int_eq(renew(address), FO_DROP);
    ck_assert_int_eq(ask(DISCOVER), FO_DROP);
    for (int i = 0; _i == 1 && i < 10; i++)
        still_later(service, 1000);
    ck_assert_int_eq(status_of(address), _i == 1 ? FO_EXPIRED : FO_ACTIVE);
    ck_assert_int_eq(renew(address), FO_DROP);
    still.stuck = false;
    still_later(service, 1000);
    ck_assert_int_eq(renew(address), FO_PASS);
    fo_claim_release(service, &decision.claim);
}
END_TEST

/* It has waited, and meanwhile the partner has told of a lease of its client's there, which may be a later
   one. The same client's next RELEASE is of that. */
START_TEST(a_release_from_before_the_partners_word_is_dropped)
{
    const uint32_t address = lease(true, 0);
    still_later(service, 3000);
    partner_leases(address, 600);
    still_later(service, 1000);
    query.ciaddr = address;
    query.age_ms = 2000;
    ck_assert_int_eq(ask(RELEASE), FO_DROP);
    ck_assert_uint_eq(decision.claim.address, 0);
    query.age_ms = FO_AGE_MOST;
    ck_assert_int_eq(ask(RELEASE), FO_DROP);
    still_later(service, FO_TRANSACTION_GUARD * 1000);
    query.age_ms = 100;
    ck_assert_int_eq(ask(RELEASE), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, address);
    fo_claim_release(service, &decision.claim);
}
END_TEST

/* It was long under way, and its client has had another address from the partner meanwhile: that must not end.
   The client asks again, if it means it. Who takes an offer means it. */
START_TEST(a_request_from_before_the_partners_word_is_dropped)
{
    struct fo_claim left;
    const uint32_t partners = FIRST + SIZE - 2;
    client(true, 0);
    const uint32_t address = offered();
    ck_assert_uint_ne(address, partners);
    partner_leases(partners, 600);
    still_later(service, 3000);
    ck_assert_int_eq(reboot(address), FO_DROP);
    ck_assert_ptr_nonnull(strstr(decision.refusal.reason, "another address from the partner"));
    fo_claim_release(service, &decision.claim);
    ck_assert_int_eq(status_of(partners), FO_ACTIVE);
    ck_assert_int_eq(renew(partners), FO_PASS);
    fo_claim_release(service, &decision.claim);
    if (_i == 1)
        still_later(service, FO_TRANSACTION_GUARD * 1000 + FO_AGE_MOST);
    ck_assert_int_eq(_i == 1 ? reboot(address) : select_address(address), FO_PASS);
    ck_assert(fo_moved_from(service, &query, &decision, 0, &left));
    ck_assert_uint_eq(left.address, partners);
    fo_claim_release(service, &left);
    fo_claim_release(service, &decision.claim);
}
END_TEST

/* Both leases run. */
START_TEST(the_later_one_is_what_the_client_has)
{
    const uint32_t address = lease(true, 0), partners = FIRST + SIZE - 2;
    still_later(service, 1000);
    partner_leases(partners, 600);
    ck_assert_int_eq(renew(address), FO_DROP);
    fo_claim_release(service, &decision.claim);
    fo_table_find(&service->table, address)->cltt++;
    ck_assert_int_eq(renew(address), FO_PASS);
    fo_claim_release(service, &decision.claim);
}
END_TEST

/* RECOVER-DONE, and the partner is still PARTNER-DOWN, as far as is known: it may have gone away meanwhile, and so
   be alone. Of a lease here it knows what was acknowledged, and waits for the MCLT beyond that, no longer. */
START_TEST(a_partner_alone_waits_for_what_it_knows)
{
    const uint32_t address = lease(true, 0);
    struct fo_endpoint_record *record = &relationship->endpoint.record;
    struct fo_times *times = &fo_table_find(&service->table, address)->times;
    const uint32_t moment = fo_service_now(service).seconds;
    record->state = FO_STATE_RECOVER_DONE;
    relationship->endpoint.partner_alone = _i != 1;
    record->partner_state = FO_STATE_PAUSED; /* it may be PARTNER-DOWN again when it is back */
    times->acked_potential = _i == 2 ? 0 : moment - 10;
    ck_assert_int_eq(renew(address), _i == 2 ? FO_DROP : FO_PASS); /* rather than a lease of a second */
    if (_i != 2)
        ck_assert_uint_eq(granted(600), _i == 0 ? MCLT - 10 : MCLT);
}
END_TEST

/* Whether Kea had a row of the client when the address was offered, the last time: where it had none, it
   has none to delete at the REQUEST. */
START_TEST(an_offer_remembers_that_its_client_had_no_row)
{
    uint32_t length = 600;
    client(true, 0);
    uint32_t address = offered();
    decision.rowless = true;
    fo_lease_offered(service, SUBNET, &query, &decision, &address, &length);
    ck_assert_int_eq(select_address(address), FO_PASS);
    ck_assert(decision.rowless);
    fo_claim_release(service, &decision.claim);
    for (int had_row = 0; had_row < 2; had_row++) {
        memset(&decision, 0, sizeof decision);
        client(true, 1);
        address = offered();
        decision.rowless = had_row == 0;
        fo_lease_offered(service, SUBNET, &query, &decision, &address, &length);
    }
    ck_assert_int_eq(select_address(address), FO_PASS);
    ck_assert(!decision.rowless);
    fo_claim_release(service, &decision.claim);
}
END_TEST

/* As often as it likes within a second: each end is later than the lease before it, of which the partner
   may know, and no more than two seconds ahead, which judgement.c counts on. */
START_TEST(a_client_that_gives_back_and_comes_again)
{
    struct fo_row row;
    const uint32_t address = lease(true, 0);
    const uint32_t now = (uint32_t)(STILL_SECONDS + still.ms / 1000);
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    for (int i = 0; i < 6; i++) {
        if (i % 2 == 0) { /* renewed, too */
            ck_assert_int_eq(renew(address), FO_PASS);
            granted(600);
        }
        const uint32_t leased = binding->cltt;
        query.ciaddr = address;
        ck_assert_int_eq(ask(RELEASE), FO_PASS);
        ck_assert(fo_released(service, &decision, true));
        fo_claim_release(service, &decision.claim);
        ck_assert_uint_gt(binding->cltt, leased);
        ck_assert_uint_le(binding->cltt, now + 2);
        ck_assert(fo_rows_next(service, &row));
        fo_rows_done(service, &row, NULL, NULL);
        ck_assert_int_eq(renew(address), FO_PASS);
        granted(600);
    }
}
END_TEST

START_TEST(a_declined_address_is_abandoned)
{
    const uint32_t address = lease(true, 0);
    query.ciaddr = 0;
    query.asks_address = true;
    query.asked_address = address;
    ck_assert_int_eq(ask(DECLINE), FO_PASS);
    fo_declined(service, &decision, STILL_SECONDS + 1000);
    fo_claim_release(service, &decision.claim);
    ck_assert_int_eq(status_of(address), FO_ABANDONED);
    ck_assert_uint_ne(offered(), address);
}
END_TEST

/* ------------------------------------------------------------------ reservations */

START_TEST(a_reserved_address_is_its_owners_alone)
{
    client(true, 0);
    ck_assert_int_eq(reboot(RESERVED), FO_DROP);
    ck_assert_int_eq(select_address(RESERVED), FO_PASS);
    ck_assert(decision.nak);
    client(true, 1);
    query.reserved_address = RESERVED;
    ck_assert_int_eq(ask(DISCOVER), FO_PASS);
    ck_assert(!decision.steer); /* the engine takes it */
    ck_assert_int_eq(select_address(RESERVED), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, RESERVED);
    ck_assert_uint_eq(granted(600), MCLT);
}
END_TEST

/* The database that may have it is asked as seldom as can be. */
START_TEST(a_reservation_matters_where_an_address_is_given_anew)
{
    client(true, 1);
    query.message_type = DISCOVER;
    ck_assert(fo_reservations_matter(service, SUBNET, &query));
    ck_assert(!fo_reservations_matter(service, SUBNET + 7, &query));
    query.message_type = RELEASE;
    query.ciaddr = RESERVED;
    ck_assert(!fo_reservations_matter(service, SUBNET, &query));
    query.message_type = REQUEST;
    ck_assert(fo_reservations_matter(service, SUBNET, &query));
    query.ciaddr = RESERVED + 1;
    ck_assert(!fo_reservations_matter(service, SUBNET, &query));
    query.bootp = true; /* it asks for none */
    ck_assert(fo_reservations_matter(service, SUBNET, &query));
    query.bootp = false;
    query.ciaddr = 0;
    query.reserved_address = RESERVED;
    ck_assert_int_eq(select_address(RESERVED), FO_PASS);
    ck_assert_uint_eq(granted(600), MCLT);
    query.reserved_address = 0;
    query.ciaddr = RESERVED;
    ck_assert(!fo_reservations_matter(service, SUBNET, &query)); /* it has the lease */
}
END_TEST

/* It came into the database since. What is held for the client the engine would refuse it then. */
START_TEST(an_owner_whom_only_the_engine_knows_is_offered_nothing_else)
{
    uint32_t address = RESERVED, length = 600;
    client(true, 0);
    ck_assert_int_eq(ask(DISCOVER), FO_PASS);
    ck_assert(decision.steer);
    query.reserved_address = RESERVED;
    ck_assert_int_eq(fo_lease_offered(service, SUBNET, &query, &decision, &address, &length), FO_PASS);
    ck_assert_uint_eq(address, RESERVED);
    address = query.reserved_address = FIRST + 1;
    ck_assert_int_eq(fo_lease_offered(service, SUBNET, &query, &decision, &address, &length), FO_DROP);
}
END_TEST

START_TEST(a_reservation_outside_the_pools_is_not_hindered)
{
    uint32_t address = OUTSIDE, length = 600;
    client(true, 0);
    query.reserved_address = OUTSIDE;
    ck_assert_int_eq(ask(DISCOVER), FO_PASS);
    ck_assert_int_eq(fo_lease_offered(service, SUBNET, &query, &decision, &address, &length),
                     FO_PASS);
    ck_assert_uint_eq(address, OUTSIDE);
    ck_assert_int_eq(select_address(OUTSIDE), FO_PASS);
    ck_assert_uint_eq(decision.claim.address, 0);
    ck_assert_int_eq(fo_lease_requested(service, SUBNET, &query, &decision, OUTSIDE, &length),
                     FO_PASS);
    ck_assert_uint_eq(length, 600);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
    Suite *suite = suite_create("queries");
    TCase *all = tcase_create("queries");
    tcase_add_checked_fixture(all, still_primary_start, still_primary_stop);
    tcase_add_test(all, a_client_of_our_bucket_is_offered_an_address_of_ours);
    tcase_add_loop_test(all, a_client_of_the_partners_bucket_waits, 0, COUNT(waits));
    tcase_add_test(all, who_renews_or_names_us_is_served_whatever_the_bucket);
    tcase_add_loop_test(all, the_state_decides_who_is_served, 0, COUNT(states));
    tcase_add_test(all, an_offer_is_held_for_its_client_and_for_so_long);
    tcase_add_test(all, all_of_ours_are_offered_and_then_the_client_is_refused);
    tcase_add_test(all, a_lease_is_bounded_by_mclt);
    tcase_add_loop_test(all, a_lease_is_not_over_before_its_client_says_so, 0, COUNT(wall_steps));
    tcase_add_loop_test(all, a_lease_is_bounded_from_when_that_was_decided, 0, 2);
    tcase_add_test(all, silence_for_a_free_address_of_the_partners);
    tcase_add_test(all, a_nak_for_what_was_offered_and_lost_since);
    tcase_add_test(all, kea_decides_about_somebody_elses_lease);
    tcase_add_test(all, a_claim_undoes_itself);
    tcase_add_loop_test(all, where_no_commit_came_keas_row_is_read, 0, 2);
    tcase_add_loop_test(all, an_older_row_makes_no_lease_older, 0, 2);
    tcase_add_test(all, no_claim_while_a_row_is_at_work);
    tcase_add_test(all, a_release_is_of_when_it_came);
    tcase_add_test(all, a_release_from_before_the_partners_word_is_dropped);
    tcase_add_loop_test(all, a_request_from_before_the_partners_word_is_dropped, 0, 2);
    tcase_add_test(all, the_later_one_is_what_the_client_has);
    tcase_add_loop_test(all, a_partner_alone_waits_for_what_it_knows, 0, 3);
    tcase_add_loop_test(all, a_lease_of_the_partners_is_renewed_once_it_is_stored, 0, 2);
    tcase_add_test(all, an_offer_remembers_that_its_client_had_no_row);
    tcase_add_test(all, a_client_that_gives_back_and_comes_again);
    tcase_add_test(all, a_declined_address_is_abandoned);
    tcase_add_test(all, a_reserved_address_is_its_owners_alone);
    tcase_add_test(all, a_reservation_matters_where_an_address_is_given_anew);
    tcase_add_test(all, an_owner_whom_only_the_engine_knows_is_offered_nothing_else);
    tcase_add_test(all, a_reservation_outside_the_pools_is_not_hindered);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
