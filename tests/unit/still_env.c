/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* A service's environment in which nothing happens by itself. */
#include "tests/unit/still_env.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct still still;

/* An environment of a test's own has its `struct still` as context. */
static struct still *of(void *context)
{
    return context != NULL ? context : &still;
}

/* Check writes down each of its assertions that holds, too: these are asked too often for that. */
static void demand(bool holds, const char *what)
{
    if (!holds)
        ck_abort_msg("%s", what);
}

bool still_out_of_memory(void)
{
    still.failed |= still.fails_at == 1;
    return still.fails_at > 0 && --still.fails_at == 0;
}

static void *allocate(void *context, size_t size)
{
    if (still_out_of_memory())
        return NULL;
    void *memory = calloc(1, size ? size : 1);
    of(context)->blocks += memory != NULL;
    return memory;
}

static void *reallocate(void *context, void *memory, size_t size)
{
    if (still_out_of_memory())
        return NULL;
    of(context)->blocks += memory == NULL;
    return realloc(memory, size);
}

static void release(void *context, void *memory)
{
    of(context)->blocks -= memory != NULL;
    free(memory);
}

static int64_t boot_time(void *context)
{
    return 100000 + of(context)->ms;
}

static int64_t wall_time(void *context)
{
    return (int64_t)STILL_SECONDS * 1000 + of(context)->ms + of(context)->wall_step;
}

static void boot_id(void *context, uint8_t id[16])
{
    (void)context;
    memset(id, 1, 16);
}

static void random_bytes(void *context, void *buffer, size_t size)
{
    (void)context;
    memset(buffer, 7, size);
}

static void lock(void *context)
{
    demand(!of(context)->locked, "the lock is taken twice");
    of(context)->locked = true;
}

static void unlock(void *context)
{
    demand(of(context)->locked, "the lock is left twice");
    of(context)->locked = false;
}

static void wake(void *context)
{
    (void)context;
}

static int store_load(void *context, fo_store_visitor *visit, void *argument)
{
    (void)context;
    (void)visit;
    (void)argument;
    return 0;
}

static void store_commit(void *context, const struct fo_store_batch *batch)
{
    demand(!of(context)->committing, "two commits at a time");
    if (still.stores != NULL)
        still.stores(batch);
    of(context)->committing = true;
}

static int net_listen(void *context, uint32_t address, uint16_t port)
{
    (void)context;
    (void)address;
    (void)port;
    return still.listen_error;
}

static void net_unlisten(void *context, uint32_t address, uint16_t port)
{
    (void)context;
    (void)address;
    (void)port;
}

static fo_connection net_connect(void *context, uint32_t local, uint32_t remote, uint16_t port)
{
    (void)context;
    (void)local;
    (void)remote;
    (void)port;
    return still.unconnectable ? 0 : ++still.connections;
}

static bool net_send(void *context, fo_connection connection, const uint8_t *data, size_t length)
{
    (void)context;
    if (still.blocked)
        still.queued += length;
    if (still.hears != NULL)
        still.hears(connection, data, length);
    return true;
}

static size_t net_queued(void *context, fo_connection connection)
{
    (void)context;
    (void)connection;
    return still.queued;
}

static void net_close(void *context, fo_connection connection)
{
    (void)context;
    if (still.closed != NULL)
        still.closed(connection);
}

static void say(void *context, enum fo_log_id id, const char *const arguments[])
{
    (void)context;
    still.said[id]++;
    still.words[id][0] = '\0';
    for (size_t i = 0, at = 0; arguments[i] != NULL && at < sizeof still.words[id]; i++)
        at += (size_t)snprintf(still.words[id] + at, sizeof still.words[id] - at, "%s%s",
                               i ? ", " : "", arguments[i]);
}

const struct fo_env still_env = {
    .allocate = allocate, .reallocate = reallocate, .release = release,
    .boot_time = boot_time, .wall_time = wall_time, .boot_id = boot_id, .random = random_bytes,
    .lock = lock, .unlock = unlock, .wake = wake, .wake_rows = wake,
    .store_load = store_load, .store_commit = store_commit,
    .net_listen = net_listen, .net_unlisten = net_unlisten, .net_connect = net_connect,
    .net_send = net_send, .net_queued = net_queued, .net_close = net_close, .log = say};

void still_reset(void)
{
    still = (struct still){0};
}

void still_settle(struct fo_service *service)
{
    for (int i = 0; i < 50; i++) {
        const int64_t deadline = fo_service_step(service);
        if (still.committing && !still.stuck) {
            still.committing = false;
            fo_store_committed(service, still.commit_error,
                               still.commit_error ? strerror(still.commit_error) : NULL);
        } else if (deadline > boot_time(NULL)) {
            return;
        }
    }
    ck_abort_msg("the service does not come to rest");
}

void still_later(struct fo_service *service, int64_t ms)
{
    still.ms += ms;
    still_settle(service);
}

void still_configuration(bool primary, struct fo_config *config)
{
    char json[640], error[FO_CONFIG_ERROR_MAX];
    snprintf(json, sizeof json,
             "{\"high-availability\": [{\"this-server-name\": \"a\", \"mode\": \"load-balancing\","
             "\"relationship-name\": \"a-b\", \"max-client-lead-time\": 60, \"peers\": ["
             "{\"name\": \"a\", \"url\": \"tcp://192.0.2.1\", \"role\": \"%s\"},"
             "{\"name\": \"b\", \"url\": \"tcp://192.0.2.2\", \"role\": \"%s\"}]}]}",
             primary ? "primary" : "secondary", primary ? "secondary" : "primary");
    ck_assert_msg(fo_config_parse(json, config, error) == 0, "%s", error);
}

struct fo_topology still_topology(struct fo_pool_range *pools, size_t count)
{
    static uint32_t subnet = SUBNET, network = 0;
    return (struct fo_topology){.pools = pools, .pool_count = count, .subnets = &subnet,
                                .networks = &network, .subnet_count = 1, .persistent = true};
}

void still_configure(struct fo_service *service, const struct fo_config *config,
                     const struct fo_topology *topology)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    ck_assert_msg(fo_service_configure(service, config, topology, error) == 0, "%s", error);
}

struct fo_service *still_start(const struct fo_config *config, const struct fo_topology *topology)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    still_reset();
    struct fo_service *service = fo_service_new(&still_env, error);
    ck_assert_msg(service != NULL, "%s", error);
    still_configure(service, config, topology);
    fo_reconcile_begin(service);
    ck_assert(fo_reconcile_end(service));
    return service;
}

void still_stop(struct fo_service *service)
{
    fo_service_free(service);
    ck_assert_int_eq(still.blocks, 0);
}
