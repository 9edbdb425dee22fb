/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A disk that fails or stalls under a service that clients ask (rule of safety 18): who has a lease is
 * served on, it is told once, and shown in the status until it is over.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/still_primary.h"

static struct fo_relationship_status status(void)
{
    struct fo_relationship_status result;
    ck_assert(fo_relationship_status(service, 0, &result));
    return result;
}

/* A disk that is full, or (`_i`) one that does not answer at all. */
START_TEST(a_disk_that_fails_is_told_and_new_clients_wait_in_the_end)
{
    const uint32_t address = lease(true, 0);
    still_later(service, 1000);
    ck_assert_str_eq(status().state_file_error, "");
    const uint32_t began = STILL_SECONDS + (uint32_t)(still.ms / 1000);
    still.commit_error = ENOSPC;
    still.stuck = _i;
    lease(true, 1);
    still_later(service, 100);
    still_later(service, 14000);
    ck_assert_uint_eq(still.said[FAILOVER_STORE_FAILED], _i ? 0 : 1);
    still_later(service, 1000);
    ck_assert_uint_eq(still.said[FAILOVER_STORE_FAILED], 1);
    ck_assert_str_eq(status().state_file_error,
                     _i ? "it has not come to an end for 15 s" : "No space left on device");
    ck_assert_uint_ge(status().state_file_error_since, began);
    ck_assert_ptr_null(status().refusing);
    lease(true, 2);

    still_later(service, MCLT / 2 * 1000 + 1000); /* and the 15 s for which a stamp is good */
    ck_assert_ptr_nonnull(strstr(status().refusing, "the state file was not written"));
    ck_assert_ptr_nonnull(strstr(status().way_out, "state-file-error"));
    client(true, 3);
    ck_assert_int_eq(ask(DISCOVER), FO_DROP);
    ck_assert_str_eq(decision.refusal.reason, status().refusing);
    client(true, 0);
    ck_assert_int_eq(renew(address), FO_PASS);
    granted(600);
    ck_assert_uint_eq(still.said[FAILOVER_STORE_FAILED], 1);

    still.commit_error = 0;
    still.stuck = false;
    still_later(service, 1000);
    ck_assert_uint_eq(still.said[FAILOVER_STORE_WORKS], 1);
    ck_assert_str_eq(status().state_file_error, "");
    ck_assert_uint_eq(status().state_file_error_since, 0);
    ck_assert_ptr_null(status().refusing);
    lease(true, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disk");
    TCase *all = tcase_create("disk");
    tcase_add_checked_fixture(all, still_primary_start, still_primary_stop);
    tcase_add_loop_test(all, a_disk_that_fails_is_told_and_new_clients_wait_in_the_end, 0, 2);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
