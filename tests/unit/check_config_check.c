/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Several relationships beside each other, and the parameters beside the subnets and pools of
 * Kea's configuration, with the exact text that the operator reads; and copies of both.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/config.h"

#define EAST "relationship 'a-b': "

static const char good[] =
    "{\"high-availability\": [{\"this-server-name\": \"a\", \"mode\": \"load-balancing\","
    " \"peers\": ["
    "{\"name\": \"a\", \"url\": \"tcp://192.0.2.1\", \"role\": \"primary\"},"
    "{\"name\": \"b\", \"url\": \"tcp://192.0.2.2:1647\", \"role\": \"secondary\"}]}]}";

/* ------------------------------------------------------------------ several relationships */

/* `count` times the good relationship with `extra`, in which # is the relationship's number. */
static int parse_several(int count, const char *extra, struct fo_config *config, char *error)
{
    char *text = calloc(1, (size_t)count * 512 + 64), *end = text;
    ck_assert_ptr_nonnull(text);
    end = stpcpy(end, "{\"high-availability\": [");
    for (int i = 1; i <= count; i++) {
        end = stpcpy(end, i > 1 ? ",{" : "{");
        end = stpcpy(end, strstr(good, "\"this-server-name\""));
        end -= strlen("}]}"); /* the relationship is still open */
        for (const char *p = extra; *p != '\0'; p++) {
            if (*p == '#')
                end += sprintf(end, "%d", i);
            else
                *end++ = *p;
        }
        end = stpcpy(end, "}");
    }
    strcpy(end, "]}");
    int result = fo_config_parse(text, config, error);
    free(text);
    return result;
}

START_TEST(several_relationships)
{
    struct fo_config config, copy;
    char error[FO_CONFIG_ERROR_MAX];
    ck_assert_msg(parse_several(31, ",\"relationship-name\":\"r#\",\"subnets\":[100#,#],"
                                    "\"state-file\":\"/s\"", &config, error) == 0, "%s", error);
    ck_assert_uint_eq(config.count, 31);
    ck_assert_str_eq(config.state_file, "/s");
    ck_assert_str_eq(config.relationships[30].name, "r31");
    ck_assert_uint_eq(config.relationships[30].subnets[0], 31);
    ck_assert_uint_eq(config.relationships[30].subnets[1], 10031);
    ck_assert_int_eq(fo_config_relationship_of(&config, 10031), 30);
    ck_assert_int_eq(fo_config_relationship_of(&config, 1), 0);
    ck_assert_int_eq(fo_config_relationship_of(&config, 32), -1);

    ck_assert_int_eq(fo_config_copy(&copy, &config), 0);
    fo_config_free(&config);
    ck_assert_uint_eq(config.count, 0);
    ck_assert_str_eq(copy.state_file, "/s");
    ck_assert_str_eq(copy.relationships[4].name, "r5");
    ck_assert_int_eq(fo_config_relationship_of(&copy, 10031), 30);
    fo_config_free(&copy);
    fo_config_free(&copy); /* is empty: may be freed */
}
END_TEST

START_TEST(several_relationships_refused)
{
    static const struct {
        int count;
        const char *extra, *error;
    } cases[] = {
        {32, ",\"relationship-name\":\"r#\",\"subnets\":[#]",
         "parameters: high-availability: 32 relationships are not allowed: must be a list of 1 to "
         "31"},
        {2, ",\"subnets\":[#]",
         EAST "relationship-name: \"a-b\" is not allowed: it is there twice; each relationship "
         "must "
         "have a name of its own"},
        {2, ",\"relationship-name\":\"r#\"",
         "relationship 'r1': subnets is missing: with more than one relationship, each must list "
         "its subnets"},
        {2, ",\"relationship-name\":\"r#\",\"subnets\":[#,9]",
         "relationship 'r2': subnets: 9 is not allowed: relationship 'r1' has it; a subnet must be "
         "in one relationship only"},
        {2, ",\"relationship-name\":\"r#\",\"subnets\":[#],\"state-file\":\"/s#\"",
         "relationship 'r2': state-file: \"/s2\" is not allowed: a server has one state file; must "
         "be \"/s1\" as named before, or left out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fo_config config;
        char error[FO_CONFIG_ERROR_MAX];
        ck_assert_int_eq(parse_several(cases[i].count, cases[i].extra, &config, error), -1);
        ck_assert_str_eq(error, cases[i].error);
    }
}
END_TEST

/* ------------------------------------------------------------------ against Kea's configuration */

/* Subnets 1, 2 and 3; the last two share network 20. */
static uint32_t subnets[] = {3, 1, 2}, networks[] = {20, 10, 20};

#define TOPOLOGY(list) \
    {.pools = list, .pool_count = sizeof list / sizeof list[0], .subnets = subnets, \
     .networks = networks, .subnet_count = 3}

START_TEST(check_against_topology)
{
    struct fo_pool_range apart[] = {{300, 399, 3, 20}, {100, 199, 1, 10}, {200, 299, 2, 20}};
    struct fo_pool_range within[] = {{100, 199, 1, 10}, {110, 120, 1, 10}, {130, 140, 2, 20}};
    struct fo_pool_range touch[] = {{100, 199, 1, 10}, {199, 299, 2, 20}};
    struct fo_pool_range outside[] = {{100, 199, 2, 20}, {150, 299, 3, 20}};
    struct fo_pool_range lost[] = {{100, 199, 7, 10}};
    const struct {
        const char *extra[2]; /* of one or two relationships: their subnets */
        struct fo_topology topology;
        const char *error; /* NULL: good */
    } cases[] = {
        {{NULL}, TOPOLOGY(apart), NULL},
        {{"1"}, TOPOLOGY(apart), NULL},
        {{"2,3"}, TOPOLOGY(apart), NULL},
        {{"1", "2,3"}, TOPOLOGY(apart), NULL},
        {{"1"}, TOPOLOGY(outside), NULL}, /* of no relationship: Kea's affair */
        {{"1,4"}, TOPOLOGY(apart),
         "relationship 'r1': subnets: 4 is not allowed: must be the id of a subnet of this server"},
        {{"2"}, TOPOLOGY(apart),
         "relationship 'r1': subnets: 2 is not allowed without subnet 3 of the same shared "
         "network; "
         "all subnets of a shared network must be in one relationship, or none of them"},
        {{"1,2", "3"}, TOPOLOGY(apart),
         "relationship 'r2': subnets: 3 is not allowed: subnet 2 of the same shared network is in "
         "relationship 'r1'; all subnets of a shared network must be in one relationship"},
        {{"1"}, TOPOLOGY(within),
         "relationship 'r1': pool 0.0.0.110 - 0.0.0.120 of subnet 1 overlaps pool 0.0.0.100 - "
         "0.0.0.199 of subnet 1; an address must be in one pool only"},
        {{"1"}, TOPOLOGY(touch),
         "relationship 'r1': pool 0.0.0.199 - 0.0.1.43 of subnet 2 overlaps pool 0.0.0.100 - "
         "0.0.0.199 of subnet 1; an address must be in one pool only"},
        {{"2,3"}, TOPOLOGY(touch),
         "relationship 'r1': pool 0.0.0.199 - 0.0.1.43 of subnet 2 overlaps pool 0.0.0.100 - "
         "0.0.0.199 of subnet 1; an address must be in one pool only"},
        {{NULL}, TOPOLOGY(lost),
         "pool 0.0.0.100 - 0.0.0.199 of subnet 7: not a pool of a subnet of this server"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fo_config_relationship list[2] = {{.name = "r1"}, {.name = "r2"}};
        struct fo_config config = {.relationships = list, .count = 1};
        uint32_t ids[2][4];
        for (size_t r = 0; r < 2 && cases[i].extra[r] != NULL; r++) {
            config.count = r + 1;
            list[r].subnets = ids[r];
            for (const char *p = cases[i].extra[r]; *p != '\0'; p++)
                if (*p != ',')
                    ids[r][list[r].subnet_count++] = (uint32_t)(*p - '0');
        }
        char error[FO_CONFIG_ERROR_MAX];
        int result = fo_config_check(&config, &cases[i].topology, error);
        ck_assert_str_eq(error, cases[i].error != NULL ? cases[i].error : "");
        ck_assert_int_eq(result, cases[i].error != NULL ? -1 : 0);
    }
}
END_TEST

START_TEST(check_one_subnet_in_two_relationships)
{
    uint32_t one[] = {1}, both[] = {2, 3, 1};
    struct fo_config_relationship list[2] = {{.name = "r1", .subnets = one, .subnet_count = 1},
                                             {.name = "r2", .subnets = both, .subnet_count = 3}};
    const struct fo_config config = {.relationships = list, .count = 2};
    const struct fo_topology topology = {.subnets = subnets, .networks = networks,
                                         .subnet_count = 3};
    char error[FO_CONFIG_ERROR_MAX];
    ck_assert_int_eq(fo_config_check(&config, &topology, error), -1);
    ck_assert_str_eq(error, "relationship 'r2': subnets: 1 is not allowed: relationship 'r1' "
    "has it; "
                            "a subnet must be in one relationship only");
    const struct fo_topology nothing = {0};
    const struct fo_config none = {0};
    ck_assert_int_eq(fo_config_check(&none, &nothing, error), 0);
}
END_TEST

START_TEST(topology_is_copied)
{
    struct fo_pool_range pool[] = {{100, 199, 1, 10}};
    uint32_t reserved[] = {150, 151};
    struct fo_topology from = TOPOLOGY(pool), copy;
    from.reserved = reserved;
    from.reserved_count = 2;
    from.decline_probation = 86400;
    from.persistent = true;
    ck_assert_int_eq(fo_topology_copy(&copy, &from), 0);
    ck_assert(copy.pools != from.pools && copy.subnets != from.subnets);
    ck_assert_mem_eq(copy.pools, pool, sizeof pool);
    ck_assert_mem_eq(copy.subnets, subnets, sizeof subnets);
    ck_assert_mem_eq(copy.networks, networks, sizeof networks);
    ck_assert_mem_eq(copy.reserved, reserved, sizeof reserved);
    ck_assert_uint_eq(copy.reserved_count, 2);
    ck_assert_uint_eq(copy.decline_probation, 86400);
    ck_assert(copy.persistent);
    fo_topology_free(&copy);
    ck_assert_ptr_null(copy.pools);
    fo_topology_free(&copy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_check");
    TCase *several = tcase_create("several");
    tcase_add_test(several, several_relationships);
    tcase_add_test(several, several_relationships_refused);
    suite_add_tcase(suite, several);
    TCase *check = tcase_create("check");
    tcase_add_test(check, check_against_topology);
    tcase_add_test(check, check_one_subnet_in_two_relationships);
    tcase_add_test(check, topology_is_copied);
    suite_add_tcase(suite, check);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
