/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Host name, relay agent information and names in DNS on their way through the service (7.1.1, 7.1.4):
 * from Kea's row into the table, the store, the partner's row, and back.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/named_leases.h"

/* ------------------------------------------------------------------ what is told */

START_TEST(what_the_row_says_reaches_the_partner)
{
    const uint32_t address = lease(&names, 0);
    settle();
    same(fo_table_details(record(address)), names);
    same(still_partner_told_details(address), names);
    lease(&other_name, address);
    settle();
    same(still_partner_told_details(address), other_name);
    lease(&nothing, address); /* what is gone is told, too */
    settle();
    same(still_partner_told_details(address), nothing);
}
END_TEST

/* Neither memory nor bytes for those without. */
START_TEST(of_a_lease_without_a_name_nothing_is_told)
{
    const uint32_t address = lease(&nothing, 0);
    settle();
    ck_assert_uint_eq(record(address)->details_length, 0);
    ck_assert(!still_partner_told_details(address).told);
}
END_TEST

START_TEST(what_the_partner_says_reaches_the_row)
{
    const uint32_t address = partners_address();
    service->names = true;
    says(address, FO_ACTIVE, &names, now());
    settle();
    ck_assert_int_eq(last_row.job, FO_ROW_PUT);
    same(last_row.details, names);
    ck_assert_uint_eq(still_partner_accepted(), 1);
    ck_assert_uint_eq(still.said[FAILOVER_DNS_DIFFERS], 0);
    says(address, FO_ACTIVE, NULL, now() + 1); /* says nothing of it: another make */
    settle();
    same(fo_table_details(record(address)), names);
    says(address, FO_ACTIVE, &nothing, now() + 2);
    settle();
    same(last_row.details, nothing);
}
END_TEST

START_TEST(a_difference_in_names_alone_is_told_once)
{
    const uint32_t address = partners_address();
    enum fo_binding_status last;
    says(address, FO_ACTIVE, &names, now());
    settle();
    const unsigned told = still_partner_told(address, &last);
    for (int i = 0; i < 5; i++) {
        says(address, FO_ACTIVE, i % 2 ? &names : &other_name, now());
        settle();
    }
    ck_assert_uint_eq(still_partner_told(address, &last), told);
    same(fo_table_details(record(address)), other_name);
    ck_assert_uint_eq(pool->unacked.count, 0);
}
END_TEST

/* Renewed at both, neither heard the other: the later transaction's name, on both. */
START_TEST(of_two_renewals_the_later_ones_name_counts)
{
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    still.ms += 10000;
    lease(&other_name, address);
    says(address, FO_ACTIVE, &names, now() - 8);
    settle();
    same(fo_table_details(record(address)), other_name);
    says(address, FO_ACTIVE, &names, now() + 8);
    settle();
    same(fo_table_details(record(address)), names);
}
END_TEST

/* The later one has no name, of which it says nothing: were it to keep that, the two would never agree
   (seed 5293). */
START_TEST(a_name_counts_against_a_renewal_that_says_nothing)
{
    const uint32_t address = lease(&nothing, 0);
    settle();
    still_partner_hold(true);
    still.ms += 10000;
    lease(&nothing, address);
    says(address, FO_ACTIVE, &names, now() - 8);
    settle();
    same(fo_table_details(record(address)), names);
}
END_TEST

START_TEST(of_two_in_one_second_the_primarys_counts)
{
    const uint32_t address = lease(&names, 0);
    settle();
    still_partner_hold(true);
    still.ms += 10000;
    lease(&other_name, address);
    const uint32_t transaction = record(address)->cltt;
    pool->primary = _i == 0;
    says(address, FO_ACTIVE, &names, transaction);
    still_partner_settle(service);
    same(fo_table_details(record(address)), _i == 0 ? other_name : names);
    pool->primary = true;
    settle();
}
END_TEST

START_TEST(the_operator_hears_that_only_the_partner_enters_names)
{
    says(partners_address(), FO_ACTIVE, &names, now());
    settle();
    says(partners_address() + 1, FO_ACTIVE, &names, now());
    settle();
    ck_assert_uint_eq(still.said[FAILOVER_DNS_DIFFERS], 1);
    still.ms += FO_DIFFER_LOG_MS;
    says(partners_address() + 2, FO_ACTIVE, &names, now());
    settle();
    ck_assert_uint_le(still.said[FAILOVER_DNS_DIFFERS], 2);
}
END_TEST

/* ------------------------------------------------------------------ rows */

static struct fo_row row_with(uint32_t address, const struct fo_details *details, uint32_t cltt)
{
    return (struct fo_row){
        .address = address, .subnet_id = SUBNET, .state = FO_ROW_LEASED, .cltt = cltt, .length = 60,
        .client = {.hardware = hardware + 1, .hardware_type = 1, .hardware_length = 6},
        .details = *details};
}

static void reconcile(const struct fo_row *row)
{
    fo_reconcile_begin(service);
    fo_reconcile_row(service, row);
    fo_reconcile_end(service);
}

START_TEST(a_row_from_before_failover_is_told_with_its_name)
{
    const uint32_t address = FIRST + (fo_bitmap_next(&pool->available, 0));
    const struct fo_row row = row_with(address, &names, now());
    service->fresh_store = true;
    reconcile(&row);
    settle();
    ck_assert_int_eq(status_of(address), FO_ACTIVE);
    same(still_partner_told_details(address), names);
}
END_TEST

START_TEST(a_rows_name_counts_where_its_transaction_is_not_older)
{
    const uint32_t address = lease(&names, 0);
    enum fo_binding_status last;
    settle();
    const struct fo_binding *binding = record(address);
    struct fo_row row = row_with(address, &names, binding->cltt);
    row.length = binding->times.lease_expiration - binding->cltt;
    const unsigned told = still_partner_told(address, &last);
    reconcile(&row); /* the same */
    settle();
    ck_assert_uint_eq(still_partner_told(address, &last), told);
    row.details = other_name;
    reconcile(&row);
    settle();
    same(still_partner_told_details(address), other_name);
    row.details = names; /* older */
    row.cltt -= 5;
    row.length += 5;
    last_row.address = 0;
    reconcile(&row);
    settle();
    ck_assert_uint_eq(last_row.address, address);
    same(last_row.details, other_name);
}
END_TEST

START_TEST(rows_tell_a_table_from_before_there_were_names)
{
    const uint32_t address = lease(&nothing, 0);
    settle();
    const struct fo_binding *binding = record(address);
    struct fo_row row = row_with(address, &names, binding->cltt - 1);
    row.length = binding->times.lease_expiration - row.cltt;
    reconcile(&row);
    settle();
    same(still_partner_told_details(address), names);
}
END_TEST

/* ------------------------------------------------------------------ store */

static struct stored {
    uint8_t key[5], value[1024];
    size_t length;
} stored;

static void keep_binding(const struct fo_store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct fo_store_write *write = &batch->writes[i];
        if (write->key_length != sizeof stored.key || write->key[0] != 'B')
            continue;
        ck_assert_uint_le(write->value_length, sizeof stored.value);
        memcpy(stored.key, write->key, sizeof stored.key);
        memcpy(stored.value, write->value, stored.length = write->value_length);
    }
}

static int load_binding(void *context, fo_store_visitor *visit, void *argument)
{
    (void)context;
    visit(argument, stored.key, sizeof stored.key, stored.value, stored.length);
    return 0;
}

/* The stored binding in another run: its record, or NULL where the store is refused. */
static struct fo_service *next_run(void)
{
    char error[FO_CONFIG_ERROR_MAX];
    static struct fo_env env;
    env = still_env;
    env.store_load = load_binding;
    return fo_service_new(&env, error);
}

START_TEST(a_restart_keeps_them)
{
    still.stores = keep_binding;
    const uint32_t address = lease(&names, 0);
    settle();
    struct fo_service *next = next_run();
    ck_assert_ptr_nonnull(next);
    same(fo_table_details(fo_table_find(&next->table, address)), names);
    ck_assert_uint_eq(fo_table_client(fo_table_find(&next->table, address)).hardware_length, 6);
    fo_service_free(next);

    const size_t details = 3 + 15 + 4, whole = stored.length;
    stored.length = whole - details - 1; /* from before there were any */
    next = next_run();
    ck_assert_ptr_nonnull(next);
    ck_assert(!fo_table_details(fo_table_find(&next->table, address)).told);
    fo_service_free(next);
    for (size_t wrong = whole - details + 1; wrong <= whole + 1; wrong++) {
        stored.length = wrong;
        next = next_run();
        ck_assert(wrong == whole ? next != NULL : next == NULL);
        if (next != NULL)
            fo_service_free(next);
    }
}
END_TEST

/* ------------------------------------------------------------------ memory */

START_TEST(without_memory_the_lease_goes_on_without_its_name)
{
    const uint32_t address = lease(&nothing, 0);
    settle();
    still.fails_at = 1;
    lease(&names, address);
    ck_assert(still.failed);
    ck_assert_uint_eq(still.said[FAILOVER_OUT_OF_MEMORY], 1);
    ck_assert_uint_eq(record(address)->details_length, 0);
    ck_assert_uint_eq(record(address)->hardware_length, 6);
    lease(&names, address);
    settle();
    same(still_partner_told_details(address), names);
}
END_TEST

/* Of the partner's lease, whose client fits into the record. */
START_TEST(without_memory_the_partners_lease_comes_without_its_name)
{
    unsigned nameless = 0;
    still.failed = true;
    for (long n = 1; still.failed; n++) {
        ck_assert_int_lt(n, 100);
        named_teardown();
        named_setup();
        const uint32_t address = partners_address();
        still.failed = false;
        still.fails_at = n;
        says(address, FO_ACTIVE, &names, now());
        settle();
        still.fails_at = 0;
        if (!still_partner_connected() || still_partner_rejected() > 0 ||
            strcmp(still.words[FAILOVER_OUT_OF_MEMORY], "the host name of a lease") != 0)
            continue; /* another allocation: check_memory */
        ck_assert_int_eq(status_of(address), FO_ACTIVE);
        ck_assert_uint_eq(record(address)->details_length, 0);
        still.ms += 2000;
        says(address, FO_ACTIVE, &names, now());
        settle();
        same(fo_table_details(record(address)), names);
        nameless++;
    }
    ck_assert_uint_eq(nameless, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *all = tcase_create("names");
    tcase_add_checked_fixture(all, named_setup, named_teardown);
    tcase_add_test(all, what_the_row_says_reaches_the_partner);
    tcase_add_test(all, of_a_lease_without_a_name_nothing_is_told);
    tcase_add_test(all, what_the_partner_says_reaches_the_row);
    tcase_add_test(all, a_difference_in_names_alone_is_told_once);
    tcase_add_test(all, of_two_renewals_the_later_ones_name_counts);
    tcase_add_test(all, a_name_counts_against_a_renewal_that_says_nothing);
    tcase_add_loop_test(all, of_two_in_one_second_the_primarys_counts, 0, 2);
    tcase_add_test(all, the_operator_hears_that_only_the_partner_enters_names);
    tcase_add_test(all, a_row_from_before_failover_is_told_with_its_name);
    tcase_add_test(all, a_rows_name_counts_where_its_transaction_is_not_older);
    tcase_add_test(all, rows_tell_a_table_from_before_there_were_names);
    tcase_add_test(all, a_restart_keeps_them);
    tcase_add_test(all, without_memory_the_lease_goes_on_without_its_name);
    tcase_add_test(all, without_memory_the_partners_lease_comes_without_its_name);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
