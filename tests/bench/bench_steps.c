/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * How long callouts may have to wait for the service's lock while a partner that has lost its store asks for
 * everything (UPDREQALL): the longest step of the service until a million bindings are held and marked, also
 * where a reload in between takes a part of the pool away. The same for a store that turns out to be an old
 * copy, whose bindings are forgotten, and their rows removed. And what reloads take: with so many bindings,
 * and with a pool of 16.8 million addresses, also where the relationship has got another name, so that all
 * are shared anew.
 *
 *     tests/bench/bench_steps [BINDINGS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "hook/service_internal.h"
#include "tests/unit/still_env.h"

#define PARAMETERS(more) \
    "{\"high-availability\": [{" more "\"this-server-name\": \"a\", \"mode\": \"load-balancing\", \"peers\": [" \
    "{\"name\": \"a\", \"url\": \"tcp://192.0.2.1\", \"role\": \"primary\"}," \
    "{\"name\": \"b\", \"url\": \"tcp://192.0.2.2\", \"role\": \"secondary\"}]}]}"
static const char usual[] = PARAMETERS(""), renamed[] = PARAMETERS("\"relationship-name\": \"other\", ");

enum { FIRST = 0x0a000000, LARGE = 1 << 24 };

/* Of the processor: other work of the machine is not meant. */
static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Loads a configuration with a pool of so many addresses. */
static double load(struct fo_service *service, const char *parameters, uint32_t size)
{
    char error[FO_CONFIG_ERROR_MAX];
    struct fo_config config;
    struct fo_pool_range range = {FIRST, FIRST + size - 1, SUBNET, 0};
    uint32_t subnet = SUBNET, network = 0;
    const struct fo_topology topology = {.pools = &range, .pool_count = 1, .subnets = &subnet,
                                         .networks = &network, .subnet_count = 1, .persistent = true};
    if (fo_config_parse(parameters, &config, error) != 0)
        exit(1);
    const double begin = milliseconds();
    if (fo_service_configure(service, &config, &topology, error) != 0)
        exit(1);
    const double took = milliseconds() - begin;
    fo_config_free(&config);
    return took;
}

/* A server that finds so many leases in Kea at its first start. */
static struct fo_service *with_leases(uint32_t count, uint32_t size)
{
    char error[FO_CONFIG_ERROR_MAX];
    still_reset();
    struct fo_service *service = fo_service_new(&still_env, error);
    if (service == NULL)
        exit(1);
    load(service, usual, size);
    fo_reconcile_begin(service);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t hardware[6] = {2, 0, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        struct fo_row row = {.address = FIRST + i, .subnet_id = SUBNET, .state = FO_ROW_LEASED,
                             .cltt = STILL_SECONDS, .length = 86400,
                             .client = {.hardware_type = 1, .hardware = hardware, .hardware_length = 6}};
        fo_reconcile_row(service, &row);
    }
    fo_reconcile_end(service);
    return service;
}

/* One step; what is committed meanwhile is durable at once, outside of it. */
static double step(struct fo_service *service)
{
    const double begin = milliseconds();
    fo_service_step(service);
    const double took = milliseconds() - begin;
    if (still.committing) {
        still.committing = false;
        fo_store_committed(service, 0, NULL);
    }
    still.ms++;
    return took;
}

/* Nothing leased, a half of it the secondary's. */
static void large_pool(void)
{
    struct fo_service *service = with_leases(0, LARGE);
    fo_bitmap_set_range(&service->table.pools[0].backup, 0, LARGE / 2 - 1);
    printf("a pool of %u addresses: reload %.0f ms", LARGE, load(service, usual, LARGE));
    printf(", shared anew %.0f ms\n", load(service, renamed, LARGE));
    fo_service_free(service);
}

/* Steps while something is to be done. */
static void steps(struct fo_service *service, const char *what, const bool *on)
{
    double longest = 0, together = 0;
    unsigned count = 0;
    for (; *on; count++) {
        const double took = step(service);
        longest = took > longest ? took : longest;
        together += took;
    }
    printf("%s: %u steps, the longest holds the lock for %.2f ms, all together for %.0f ms\n", what, count,
           longest, together);
}

static void forgets(struct fo_service *service)
{
    struct fo_relationship *relationship = service->relationships[0];
    relationship->endpoint.record.forgetting = true;
    fo_forget_bindings(relationship);
    steps(service, "all forgotten", &relationship->forgetting.on);
    fo_forgotten_rows_go(relationship);
    steps(service, "and their rows marked", &relationship->forgetting.rows);
}

int main(int argc, char **argv)
{
    const uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    struct fo_service *service = with_leases(count, count);
    struct fo_relationship *relationship = service->relationships[0];
    for (int i = 0; i < 1000; i++) /* what the start leaves to be stored */
        step(service);

    printf("%u bindings\n", count);
    fo_partner_forgot(relationship);
    fo_updates_requested(relationship, true);
    steps(service, "held and marked", &relationship->walk.on);

    fo_partner_forgot(relationship);
    fo_updates_requested(relationship, true);
    for (int i = 0; i < 100; i++)
        step(service);
    printf("reload: %.0f ms", load(service, usual, count));
    printf(", without a tenth of the pool %.0f ms\n", load(service, usual, count - count / 10));
    printf("the walk goes on: %s\n", relationship->walk.on ? "yes" : "no");
    steps(service, "held and marked from there", &relationship->walk.on);
    load(service, usual, count);
    printf("shared anew: %.0f ms\n", load(service, renamed, count));
    for (int i = 0; i < 1000; i++)
        step(service);
    forgets(service);
    fo_service_free(service);
    large_pool();
    return 0;
}
