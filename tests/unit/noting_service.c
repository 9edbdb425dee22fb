/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See noting_service.h. Everything that is noted, is noted under the env's lock. */
#include "tests/unit/noting_service.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void pause_milliseconds(long length)
{
    const struct timespec pause = {length / 1000, length % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ------------------------------------------------------------------ the service that notes */

uint8_t pattern(uint64_t place)
{
    return (uint8_t)(place * 7 + place / 251);
}

int64_t fo_service_step(struct fo_service *service)
{
    service->env->lock(service->env->context);
    service->steps++;
    service->last_step = service->env->boot_time(service->env->context);
    int64_t next = service->interval != 0 ? service->last_step + service->interval : INT64_MAX;
    service->env->unlock(service->env->context);
    return next;
}

void fo_net_connected(struct fo_service *service, fo_connection connection)
{
    service->env->lock(service->env->context);
    service->connected = connection;
    service->connected_count++;
    service->env->unlock(service->env->context);
}

void fo_net_accepted(struct fo_service *service, fo_connection connection, uint32_t local,
                     uint16_t port, uint32_t remote)
{
    service->env->lock(service->env->context);
    service->accepted = connection;
    service->accepted_count++;
    service->accepted_local = local;
    service->accepted_port = port;
    service->accepted_remote = remote;
    service->env->unlock(service->env->context);
}

void fo_net_received(struct fo_service *service, fo_connection connection, const uint8_t *data,
                     size_t length)
{
    service->env->lock(service->env->context);
    for (size_t i = 0; i < length; i++)
        if (data[i] != pattern(service->received + i))
            service->disordered = true;
    service->received += length;
    if (service->echo && !service->env->net_send(service->env->context, connection, data, length))
        service->env->net_close(service->env->context, connection);
    service->env->unlock(service->env->context);
}

void fo_net_closed(struct fo_service *service, fo_connection connection, const char *reason)
{
    service->env->lock(service->env->context);
    service->closed = connection;
    service->closed_count++;
    snprintf(service->reason, sizeof service->reason, "%s", reason);
    service->env->unlock(service->env->context);
}

void fo_store_committed(struct fo_service *service, int error, const char *text)
{
    service->env->lock(service->env->context);
    service->committed++;
    service->commit_error = error;
    snprintf(service->commit_text, sizeof service->commit_text, "%s", text);
    if (service->commit_again)
        service->env->store_commit(service->env->context, &service->batch);
    service->env->unlock(service->env->context);
}

/* ------------------------------------------------------------------ a side: env and service */

static char directory[256];

void note_log(void *context, enum fo_log_id id, const char *const arguments[])
{
    struct side *side = context;
    if (side->log_takes_lock) /* deadlocks if it is held */
        side->env->lock(side->env->context);
    pthread_mutex_lock(&side->log_mutex);
    snprintf(side->last_log, sizeof side->last_log, "%s", fo_log_texts[id].name + 9);
    for (size_t i = 0; arguments[i] != NULL; i++) {
        size_t length = strlen(side->last_log);
        snprintf(side->last_log + length, sizeof side->last_log - length, "|%s", arguments[i]);
    }
    side->log_thread = pthread_self();
    const unsigned number = ++side->logged;
    pthread_mutex_unlock(&side->log_mutex);
    if (side->log_takes_lock)
        side->env->unlock(side->env->context);
    if (number == 1 && side->log_blocks != NULL) {
        sem_post(side->log_blocked);
        sem_wait(side->log_blocks);
    }
}

void note_rows(void *context)
{
    struct side *side = context;
    side->rows_woken++;
}

void setup(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/check_loop.XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

void teardown(void)
{
    char file[300];
    for (char name = 'a'; name <= 'c'; name++) {
        snprintf(file, sizeof file, "%s/%c", directory, name);
        unlink(file);
    }
    rmdir(directory);
}

void make_side(struct side *side, char name)
{
    pthread_mutex_init(&side->log_mutex, NULL);
    snprintf(side->file, sizeof side->file, "%s/%c", directory, name);
    const struct fo_env_real_settings settings = {
        .state_file = side->file, .context = side, .log = note_log, .wake_rows = note_rows};
    side->real = fo_env_real_new(&settings);
    ck_assert_ptr_nonnull(side->real);
    side->env = fo_env_real_env(side->real);
    side->service.env = side->env;
}

void start(struct side *side, char name)
{
    make_side(side, name);
    ck_assert_int_eq(fo_env_real_run(side->real, &side->service), 0);
}

void stop(struct side *side)
{
    fo_env_real_stop(side->real);
    fo_env_real_free(side->real);
}

void lock(struct side *side)
{
    side->env->lock(side->env->context);
}

void unlock(struct side *side)
{
    side->env->unlock(side->env->context);
}

uint16_t free_port(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK)};
    socklen_t length = sizeof name;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(descriptor, (struct sockaddr *)&name, length), 0);
    ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&name, &length), 0);
    close(descriptor);
    return ntohs(name.sin_port);
}

uint16_t listen_on(struct side *side)
{
    const uint16_t port = free_port();
    lock(side);
    int error = side->env->net_listen(side->env->context, LOOPBACK, port);
    unlock(side);
    ck_assert_int_eq(error, 0);
    return port;
}

fo_connection connect_to(struct side *side, uint32_t local, uint16_t port)
{
    lock(side);
    fo_connection id = side->env->net_connect(side->env->context, local, LOOPBACK, port);
    unlock(side);
    ck_assert_uint_ne(id, 0);
    return id;
}

bool send_pattern(struct side *side, fo_connection id, uint64_t from, uint64_t to,
                         size_t piece)
{
    uint8_t *data = malloc(piece);
    bool good = data != NULL;
    while (good && from < to) {
        size_t length = to - from < piece ? (size_t)(to - from) : piece;
        for (size_t i = 0; i < length; i++)
            data[i] = pattern(from + i);
        lock(side);
        good = side->env->net_send(side->env->context, id, data, length);
        unlock(side);
        from += length;
    }
    free(data);
    return good;
}

void close_connection(struct side *side, fo_connection id)
{
    lock(side);
    side->env->net_close(side->env->context, id);
    unlock(side);
}

size_t queued(struct side *side, fo_connection id)
{
    lock(side);
    size_t bytes = side->env->net_queued(side->env->context, id);
    unlock(side);
    return bytes;
}

unsigned closed_count(struct side *side)
{
    lock(side);
    unsigned count = side->service.closed_count;
    unlock(side);
    return count;
}

int plain_connect(uint16_t port)
{
    const struct sockaddr_in name = {.sin_family = AF_INET,
                                     .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(descriptor, (const struct sockaddr *)&name, sizeof name), 0);
    return descriptor;
}

fo_connection connect_pair(struct side *a, struct side *b)
{
    start(a, 'a');
    start(b, 'b');
    const uint16_t port = listen_on(a);
    fo_connection id = connect_to(b, LOOPBACK + 1, port);
    AWAIT(b, b->service.connected == id);
    AWAIT(a, a->service.accepted != 0);
    ck_assert_uint_eq(a->service.accepted_port, port);
    return id;
}
