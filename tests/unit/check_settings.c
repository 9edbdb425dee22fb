/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The settings that say which of several ways, all of them safe but one, a server goes: what of a
 * client is hashed, who renews in NORMAL, how a lease grows, how long it is while the connection is
 * interrupted, and whether the partner's free addresses are used then. One primary alone in a still environment;
 * what the partner acknowledges is written into the binding.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/hash_bucket.h"
#include "tests/unit/still_primary.h"

enum { GUARD = FO_EXPIRY_GUARD, HOUR = 3600, DAY = 24 * HOUR };

static struct fo_binding *binding_of(uint32_t address)
{
    struct fo_binding *binding = fo_table_find(&service->table, address);
    ck_assert_ptr_nonnull(binding);
    return binding;
}

/* All that was sent of it is acknowledged, and durable. */
static void acknowledge(uint32_t address)
{
    still_settle(service);
    binding_of(address)->times.acked_potential = binding_of(address)->times.sent_potential;
}

/* ------------------------------------------------------------------ hash-input */

static uint8_t identifier[4] = {0, 1, 2, 0};

static bool ours(const uint8_t *bytes, size_t length)
{
    return !fo_hash_buckets_contain(relationship->endpoint.record.secondary_buckets,
                                    fo_hash_bucket(bytes, length));
}

/* A client whose hardware address is this server's, and its identifier the partner's. */
static void client_of_both(void)
{
    client(true, 0);
    while (ours(identifier, sizeof identifier))
        identifier[3]++;
    query.client.identifier = identifier;
    query.client.identifier_length = sizeof identifier;
}

START_TEST(the_identifier_decides)
{
    client_of_both();
    ck_assert_uint_eq(offered(), 0);
    ck_assert_str_eq(decision.refusal.owner, "b");
    ck_assert_uint_eq(decision.bucket, fo_hash_bucket(identifier, sizeof identifier));
}
END_TEST

START_TEST(the_hardware_address_decides)
{
    relationship->config.hash_hardware = true;
    client_of_both();
    ck_assert_uint_ne(offered(), 0);
    ck_assert_uint_eq(decision.bucket, fo_hash_bucket(query.client.hardware, 6));
    query.client.hardware_length = 0; /* none: then its identifier after all */
    ck_assert_uint_eq(offered(), 0);
    ck_assert_uint_eq(decision.bucket, fo_hash_bucket(identifier, sizeof identifier));
}
END_TEST

/* ------------------------------------------------------------------ normal-renewals */

/* 9.8.2: whom it asks answers. */
START_TEST(any_server_renews)
{
    const uint32_t address = lease(false, 0);
    client(false, 0);
    ck_assert_int_eq(renew(address), FO_PASS);
}
END_TEST

START_TEST(only_the_owner_renews)
{
    const uint32_t theirs = lease(false, 0), own = lease(true, 0);
    relationship->config.owner_renews = true;
    client(false, 0);
    ck_assert_int_eq(renew(theirs), FO_DROP);
    ck_assert_str_eq(decision.refusal.reason, "normal-renewals is owner-only");
    ck_assert_str_eq(decision.refusal.owner, "b");
    query.secs = 100; /* the partner does not hear it */
    ck_assert_int_eq(renew(theirs), FO_PASS);
    fo_claim_release(service, &decision.claim);
    client(true, 0);
    ck_assert_int_eq(renew(own), FO_PASS);
    fo_claim_release(service, &decision.claim);
    still_primary_enter(FO_STATE_COMMUNICATIONS_INTERRUPTED);
    client(false, 0);
    ck_assert_int_eq(renew(theirs), FO_PASS);
}
END_TEST

/* ------------------------------------------------------------------ valid-lifetime 4294967295 */

/* Renewed by the desired length without end; what the lease is then, and what the client is told. */
static uint32_t renewed_for_ever(uint32_t address)
{
    client(true, 0);
    ck_assert_int_eq(renew(address), FO_PASS);
    const uint32_t length = granted(UINT32_MAX);
    ck_assert_uint_eq(binding_of(address)->times.lease_expiration, FO_TIME_LAST);
    return length;
}

/* The first lease is as long as the MCLT; the partner acknowledges that there is no end; then it has none. In
   COMMUNICATIONS-INTERRUPTED its client comes back sooner, and the lease has no end all the same. */
START_TEST(a_lease_without_end)
{
    client(true, 0);
    const uint32_t address = offered();
    ck_assert_int_eq(select_address(address), FO_PASS);
    ck_assert_uint_eq(granted(UINT32_MAX), MCLT);
    ck_assert_uint_eq(binding_of(address)->times.sent_potential, FO_TIME_LAST);
    still_later(service, 1000);
    client(true, 0);
    ck_assert_int_eq(renew(address), FO_PASS);
    ck_assert_uint_eq(granted(UINT32_MAX), MCLT);
    acknowledge(address);
    ck_assert_uint_eq(renewed_for_ever(address), UINT32_MAX);
    still_later(service, (int64_t)20 * 365 * DAY * 1000);
    ck_assert_int_eq(binding_of(address)->status, FO_ACTIVE);
    ck_assert_uint_eq(renewed_for_ever(address), UINT32_MAX);
    still_primary_enter(FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert_uint_eq(renewed_for_ever(address), MCLT);
    still_later(service, (int64_t)2 * MCLT * 1000);
    ck_assert_int_eq(binding_of(address)->status, FO_ACTIVE);
    still_primary_enter(FO_STATE_PARTNER_DOWN);
    ck_assert_uint_eq(renewed_for_ever(address), UINT32_MAX);
    still_settle(service);
}
END_TEST

/* ------------------------------------------------------------------ lease-growth */

/* The lengths of a lease of `desired`, renewed at its half, the partner acknowledging all. */
static uint32_t next_length(uint32_t address, uint32_t length, uint32_t desired)
{
    acknowledge(address);
    still_later(service, (int64_t)length * 500);
    client(true, 0);
    ck_assert_int_eq(renew(address), FO_PASS);
    return granted(desired);
}

static uint32_t first_lease(uint32_t desired)
{
    client(true, 0);
    const uint32_t address = offered();
    ck_assert_int_eq(select_address(address), FO_PASS);
    ck_assert_uint_eq(granted(desired), HOUR);
    return address;
}

/* S26, S27: "At the first renewal after the partner's acknowledgement ... the full configured lease". */
START_TEST(full_at_the_first_renewal)
{
    relationship->endpoint.record.mclt = HOUR;
    const uint32_t address = first_lease(3 * DAY);
    ck_assert_uint_eq(next_length(address, HOUR, 3 * DAY), 3 * DAY);
    ck_assert_uint_eq(next_length(address, 3 * DAY, 3 * DAY), 3 * DAY);
}
END_TEST

/* S47: an hour, two, three, ..., until what is configured is reached. */
START_TEST(an_mclt_longer_each_time)
{
    relationship->endpoint.record.mclt = HOUR;
    relationship->config.gradual_growth = true;
    const uint32_t address = first_lease(5 * HOUR);
    uint32_t length = HOUR;
    for (uint32_t hours = 2; hours < 9; hours++) {
        length = next_length(address, length, 5 * HOUR);
        ck_assert_uint_eq(length, hours < 5 ? hours * HOUR : 5 * HOUR);
    }
}
END_TEST

/* ------------------------------------------------------------------ interrupted-lease-time */

/* A lease of a day that the partner has acknowledged: what a renewal in that state gives. */
static uint32_t renewed_interrupted(bool protocol)
{
    const uint32_t address = lease(true, 0);
    relationship->config.interrupted_bound = protocol;
    acknowledge(address);
    binding_of(address)->times.acked_potential += DAY;
    still_primary_enter(FO_STATE_COMMUNICATIONS_INTERRUPTED);
    client(true, 0);
    ck_assert_int_eq(renew(address), FO_PASS);
    return granted(DAY);
}

START_TEST(interrupted_leases_are_as_long_as_the_mclt)
{
    ck_assert_uint_eq(renewed_interrupted(false), MCLT);
}
END_TEST

START_TEST(interrupted_leases_are_as_long_as_is_safe)
{
    ck_assert_uint_eq(renewed_interrupted(true), DAY);
}
END_TEST

/* ------------------------------------------------------------------ interrupted-use-partner-addresses */

/* Clients until nobody gets an address any more; how many got one. */
static unsigned take_all(void)
{
    static unsigned number = 1000;
    unsigned taken = 0;
    for (;; taken++) {
        client(true, number++);
        const uint32_t address = offered();
        if (address == 0)
            return taken;
        ck_assert_int_eq(select_address(address), FO_PASS);
        granted(DAY);
        still_settle(service);
    }
}

static void interrupt_for(uint32_t seconds)
{
    still_primary_enter(FO_STATE_COMMUNICATIONS_INTERRUPTED);
    still_settle(service); /* counted from here */
    still_later(service, (int64_t)seconds * 1000);
}

START_TEST(the_partners_addresses_stay_its_own)
{
    interrupt_for(MCLT + GUARD + 1);
    ck_assert_uint_eq(take_all(), SIZE / 2 - 1); /* one is reserved */
    still_later(service, 1000);
    ck_assert_uint_eq(take_all(), 0);
}
END_TEST

START_TEST(the_partners_addresses_after_our_own)
{
    relationship->config.interrupted_takes_all = true;
    interrupt_for(MCLT + GUARD - 1);
    ck_assert_uint_eq(take_all(), SIZE / 2 - 1);
    still_later(service, 500);
    ck_assert_uint_eq(take_all(), 0); /* not before the MCLT is over */
    still_later(service, 1500);
    ck_assert_uint_eq(still.said[FAILOVER_TAKES_PARTNERS], 1);
    ck_assert_uint_eq(take_all(), SIZE / 2);
    relationship->endpoint.session.phase = FO_SESSION_ESTABLISHED; /* until there is contact */
    fo_partner_down_follow(relationship);
    ck_assert(!service->table.pools[0].all_ours);
    relationship->endpoint.session.phase = FO_SESSION_CLOSED;
}
END_TEST

START_TEST(our_own_suffice)
{
    relationship->config.interrupted_takes_all = true;
    interrupt_for(10 * MCLT);
    client(true, 0);
    ck_assert_uint_ne(offered(), 0);
    still_later(service, 1000);
    ck_assert(!service->table.pools[0].all_ours);
    ck_assert_uint_eq(still.said[FAILOVER_TAKES_PARTNERS], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tests = tcase_create("settings");
    tcase_add_checked_fixture(tests, still_primary_start, still_primary_stop);
    tcase_add_test(tests, a_lease_without_end);
    tcase_add_test(tests, the_identifier_decides);
    tcase_add_test(tests, the_hardware_address_decides);
    tcase_add_test(tests, any_server_renews);
    tcase_add_test(tests, only_the_owner_renews);
    tcase_add_test(tests, full_at_the_first_renewal);
    tcase_add_test(tests, an_mclt_longer_each_time);
    tcase_add_test(tests, interrupted_leases_are_as_long_as_the_mclt);
    tcase_add_test(tests, interrupted_leases_are_as_long_as_is_safe);
    tcase_add_test(tests, the_partners_addresses_stay_its_own);
    tcase_add_test(tests, the_partners_addresses_after_our_own);
    tcase_add_test(tests, our_own_suffice);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
