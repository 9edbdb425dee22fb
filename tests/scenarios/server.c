/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A server of a scenario: its environment, which is the still one of the unit tests with a store that
 * keeps what was committed and a wire to the partner, its configuration, and its life.
 */
#include "tests/scenarios/stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stored {
    struct stored *next;
    size_t key_length, length;
    uint8_t bytes[]; /* key, then value */
};

/* ------------------------------------------------------------------ stable storage */

static void put(struct server *server, const struct fo_store_write *write)
{
    struct stored **place = &server->stored;
    while (*place != NULL && ((*place)->key_length != write->key_length ||
                              memcmp((*place)->bytes, write->key, write->key_length) != 0))
        place = &(*place)->next;
    struct stored *old = *place;
    if (old != NULL)
        *place = old->next;
    free(old);
    if (write->value == NULL)
        return;
    struct stored *pair = malloc(sizeof *pair + write->key_length + write->value_length);
    if (pair == NULL)
        abort();
    *pair = (struct stored){.next = server->stored, .key_length = write->key_length,
                            .length = write->value_length};
    memcpy(pair->bytes, write->key, write->key_length);
    memcpy(pair->bytes + write->key_length, write->value, write->value_length);
    server->stored = pair;
}

static int store_load(void *context, fo_store_visitor *visit, void *argument)
{
    const struct server *server = context;
    for (const struct stored *pair = server->stored; pair != NULL; pair = pair->next)
        if (!visit(argument, pair->bytes, pair->key_length, pair->bytes + pair->key_length,
                   pair->length))
            break;
    return 0;
}

static void store_commit(void *context, const struct fo_store_batch *batch)
{
    struct server *server = context;
    server->batch = batch;
    still_env.store_commit(context, batch);
}

static void commit_ends(struct server *server)
{
    server->still.committing = false;
    for (size_t i = 0; !server->disk_full && i < server->batch->count; i++)
        put(server, &server->batch->writes[i]);
    fo_store_committed(server->service, server->disk_full ? ENOSPC : 0,
                       server->disk_full ? "No space left on device" : NULL);
}

static void free_pairs(struct stored **pairs)
{
    while (*pairs != NULL) {
        struct stored *pair = *pairs;
        *pairs = pair->next;
        free(pair);
    }
}

static void copy_pairs(struct stored **to, const struct stored *from)
{
    free_pairs(to);
    for (; from != NULL; from = from->next) {
        const size_t size = sizeof *from + from->key_length + from->length;
        struct stored *pair = malloc(size);
        if (pair == NULL)
            abort();
        memcpy(pair, from, size);
        pair->next = *to;
        *to = pair;
    }
}

void server_lose_store(struct server *server)
{
    free_pairs(&server->stored);
}

void server_back_up(struct server *server)
{
    copy_pairs(&server->copy, server->stored);
}

void server_restore(struct server *server)
{
    if (server->copy == NULL)
        fail("there is no copy of the store: say `disk copied` before");
    copy_pairs(&server->stored, server->copy);
}

/* ------------------------------------------------------------------ the environment's functions */

static void boot_id(void *context, uint8_t id[16])
{
    memset(id, ((struct server *)context)->boot + 1, 16);
}

/* Kea's main thread is to write rows, and by that shows that it lives (rule of safety 14). */
static void wake_rows(void *context)
{
    struct server *server = context;
    server->rows_wanted = server->sign_wanted = true;
}

/* True where the loop is woken by it. */
static bool give_sign(struct server *server)
{
    const bool was_disabled = server->service->kea_idle != NULL;
    server->sign_wanted = false;
    fo_kea_pulse(server->service, server->dhcp_disabled ? "its DHCP service is disabled" : NULL);
    return was_disabled != server->dhcp_disabled;
}

static void *allocate(void *context, size_t size)
{
    return ((struct server *)context)->no_memory ? NULL : still_env.allocate(context, size);
}

static void *reallocate(void *context, void *memory, size_t size)
{
    return ((struct server *)context)->no_memory ? NULL
                                                 : still_env.reallocate(context, memory, size);
}

static int net_listen(void *context, uint32_t address, uint16_t port)
{
    (void)address;
    (void)port;
    ((struct server *)context)->listening = true;
    return 0;
}

static void net_unlisten(void *context, uint32_t address, uint16_t port)
{
    (void)address;
    (void)port;
    ((struct server *)context)->listening = false;
}

static fo_connection net_connect(void *context, uint32_t local, uint32_t remote, uint16_t port)
{
    (void)local;
    (void)remote;
    (void)port;
    return wire_call(((struct server *)context)->number);
}

static bool net_send(void *context, fo_connection connection, const uint8_t *data, size_t length)
{
    wire_send(((struct server *)context)->number, connection, data, length);
    return true;
}

static void net_close(void *context, fo_connection connection)
{
    wire_close(((struct server *)context)->number, connection);
}

static void say(void *context, enum fo_log_id id, const char *const arguments[])
{
    struct server *server = context;
    struct still *own = &server->still;
    own->said[id]++;
    own->words[id][0] = '\0';
    for (size_t i = 0, at = 0; arguments[i] != NULL && at < sizeof own->words[id]; i++)
        at += (size_t)snprintf(own->words[id] + at, sizeof own->words[id] - at, "%s%s",
                               i ? ", " : "", arguments[i]);
    if (id == FAILOVER_STATE_CHANGED) {
        const enum fo_state state = (enum fo_state)state_of_word(arguments[1]);
        coverage_state_changed(server->last_state, state);
        server->last_state = state;
    }
    tell("%s: %s: %s", server->primary ? "primary" : "secondary", fo_log_texts[id].name,
         own->words[id]);
}

/* ------------------------------------------------------------------ configuration */

static void parameter(struct server *server, const char *key, const char *value)
{
    static const char *const names[][2] = {
        {"mclt", "max-client-lead-time"}, {"buckets", "load-balance-percent"}};
    int64_t number;
    char before[80];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(key, names[i][0]) == 0)
            key = names[i][1];
    snprintf(before, sizeof before, ", \"%s\": ", key);
    char *old = strstr(server->parameters, before); /* of a reload that has another value */
    if (old != NULL) {
        const char *rest = strstr(old + 1, ", \"");
        memmove(old, rest != NULL ? rest : "", rest != NULL ? strlen(rest) + 1 : 1);
    }
    const size_t used = strlen(server->parameters);
    const bool bare = number_of(value, &number) || strcmp(value, "true") == 0 ||
                      strcmp(value, "false") == 0;
    snprintf(server->parameters + used, sizeof server->parameters - used, ", \"%s\": %s%s%s", key,
             bare ? "" : "\"", value, bare ? "" : "\"");
}

static void add_pool(struct server *server, const char *word)
{
    uint32_t first, last;
    if (!address_of_word(word, &first, &last))
        fail("\"%s\" is no range of addresses", word);
    if (server->pool_count == POOLS_MAX)
        fail("more than %d pools", POOLS_MAX);
    const uint32_t base = server->pool_count ? server->pools[0].first : first;
    if (first < base || last - base >= ADDRESSES_MAX)
        fail("pools are %d addresses at most, the first one first", ADDRESSES_MAX);
    server->pools[server->pool_count++] = (struct fo_pool_range){first, last, SUBNET, 0};
}

void server_configure(struct server *server, const struct line *line, size_t from)
{
    bool pools = false;
    if (server->env.allocate == NULL) {
        server->lease = 600;
        server->probation = 86400;
        server->env = still_env;
        server->env.context = server;
        server->env.allocate = allocate;
        server->env.reallocate = reallocate;
        server->env.boot_id = boot_id;
        server->env.wake_rows = wake_rows;
        server->env.store_load = store_load;
        server->env.store_commit = store_commit;
        server->env.net_listen = net_listen;
        server->env.net_unlisten = net_unlisten;
        server->env.net_connect = net_connect;
        server->env.net_send = net_send;
        server->env.net_close = net_close;
        server->env.log = say;
    }
    for (size_t i = from; i < line->count; i++) {
        const char *key = line->words[i];
        if (strcmp(key, "volatile") == 0) {
            server->volatile_rows = true;
            continue;
        }
        if (strcmp(key, "hot-standby") == 0) {
            parameter(server, "mode", key);
            continue;
        }
        int64_t number = 0;
        if (++i == line->count)
            fail("%s: its value is missing", key);
        number_of(line->words[i], &number);
        if (strcmp(key, "pool") == 0) {
            server->pool_count = pools ? server->pool_count : 0;
            pools = true;
            add_pool(server, line->words[i]);
        } else if (strcmp(key, "lease") == 0) {
            server->lease = (uint32_t)number;
        } else if (strcmp(key, "probation") == 0) {
            server->probation = (uint32_t)number;
        } else if (strcmp(key, "clock") == 0) {
            server->still.wall_step = number * 1000;
        } else {
            parameter(server, key, line->words[i]);
        }
    }
}

static void load(struct server *server)
{
    static char json[2600];
    char error[FO_CONFIG_ERROR_MAX];
    struct fo_config config;
    uint32_t subnet = SUBNET, network = 0, reserved[CLIENTS_MAX];
    struct fo_topology topology = {.pools = server->pools, .pool_count = server->pool_count,
                                   .subnets = &subnet, .networks = &network, .subnet_count = 1,
                                   .reserved = reserved, .decline_probation = server->probation,
                                   .persistent = !server->volatile_rows};
    for (size_t i = 0; i < stage.client_count; i++)
        if (stage.clients[i].reserved != 0)
            reserved[topology.reserved_count++] = stage.clients[i].reserved;
    snprintf(json, sizeof json,
             "{\"high-availability\": [{\"this-server-name\": \"%s\", \"relationship-name\": \"pair\","
             "%s \"peers\": ["
             "{\"name\": \"primary\", \"url\": \"tcp://192.0.2.1\", \"role\": \"primary\"},"
             "{\"name\": \"secondary\", \"url\": \"tcp://192.0.2.2\", \"role\": \"secondary\"}]%s}]}",
             server->primary ? "primary" : "secondary",
             strstr(server->parameters, "\"mode\"") ? "" : "\"mode\": \"load-balancing\",",
             server->parameters);
    if (fo_config_parse(json, &config, error) != 0)
        fail("the configuration is refused: %s", error);
    const int done = fo_service_configure(server->service, &config, &topology, error);
    fo_config_free(&config);
    if (done != 0)
        fail("the configuration is refused: %s", error);
    engine_reconcile(server);
    server->dhcp_disabled = false; /* Kea forgets it with each configuration */
    (void)give_sign(server);
}

/* ------------------------------------------------------------------ life */

void server_start(struct server *server)
{
    char error[FO_CONFIG_ERROR_MAX];
    if (server->service != NULL)
        fail("the server runs already");
    if (server->pool_count == 0)
        fail("the server has no pool: say `server primary pool 192.0.2.10-192.0.2.29`");
    server->service = fo_service_new(&server->env, error);
    if (server->service == NULL)
        fail("the server does not start: %s", error);
    load(server);
    server->last_state =
        (enum fo_state)server_relationship(server)->endpoint.record.state;
    settle();
}

void server_reload(struct server *server)
{
    fo_service_suspend(server->service);
    load(server);
    settle();
}

static void process_ends(struct server *server)
{
    wire_process_ends(server->number);
    fo_service_free(server->service);
    server->service = NULL;
    server->still.committing = server->still.locked = server->listening = server->rows_wanted =
        server->sign_wanted = server->hangs = false;
    if (server->volatile_rows)
        memset(server->rows, 0, sizeof server->rows);
}

void server_kill(struct server *server)
{
    if (server->service == NULL)
        fail("the server does not run");
    process_ends(server);
    if (server->still.blocks != 0)
        fail("%ld blocks of memory are left", server->still.blocks);
    settle();
}

void server_stop(struct server *server)
{
    if (server->service == NULL)
        fail("the server does not run");
    fo_service_stop(server->service);
    for (int i = 0; i < 300 && !fo_service_stopped(server->service); i++)
        advance(10);
    if (!fo_service_stopped(server->service))
        fail("the server does not stop");
    server_kill(server);
}

void server_free(struct server *server)
{
    if (server->service != NULL)
        fo_service_free(server->service);
    server->service = NULL;
    server_lose_store(server);
    free_pairs(&server->copy);
}

bool server_act(struct server *server)
{
    if (server->service == NULL)
        return false;
    server->deadline = fo_service_step(server->service);
    bool acted = server->deadline <= 100000 + stage.ms;
    if (server->still.committing && !server->still.stuck) {
        commit_ends(server);
        acted = true;
    }
    if (server->sign_wanted && !server->hangs && give_sign(server))
        acted = true;
    if (server->rows_wanted && !server->rows_held && !server->hangs) {
        server->rows_wanted = false;
        engine_rows(server);
        acted = true;
    }
    return acted;
}

struct fo_relationship *server_relationship(struct server *server)
{
    if (server->service == NULL)
        fail("the server does not run");
    return server->service->relationships[0];
}

enum fo_state server_state(struct server *server)
{
    return fo_serving_state(server_relationship(server));
}
