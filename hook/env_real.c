/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Puts the parts together: poller, transport, log queue, store and its thread, the loop. What is
 * done here itself are the small things: memory, clocks, the boot id, random numbers, the lock.
 */
#include "hook/env_real.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "hook/event_loop.h"
#include "hook/service.h"

struct fo_env_real {
    struct fo_env env;
    struct fo_env_real_settings settings;
    pthread_mutex_t lock; /* the service's */
    atomic_int waiting;   /* threads that want it */
    uint8_t boot_id[16];
    struct fo_service *service;
    struct fo_store *store;
    struct fo_store_thread *store_thread;
    struct fo_loop *loop;
    struct fo_loop_parts parts;
};

/* ------------------------------------------------------------------ memory, clocks, randomness */

static void *real_allocate(void *context, size_t size)
{
    (void)context;
    return calloc(1, size > 0 ? size : 1);
}

static void *real_reallocate(void *context, void *memory, size_t size)
{
    (void)context;
    return realloc(memory, size > 0 ? size : 1);
}

static void real_release(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static int64_t real_boot_time(void *context)
{
    (void)context;
    return fo_boot_milliseconds();
}

static int64_t real_wall_time(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Where the system refuses (a filter of system calls may), the clock must do: nothing that depends
   on these numbers is a secret. */
static void real_random(void *context, void *buffer, size_t size)
{
    uint8_t *bytes = buffer;
    (void)context;
    for (size_t done = 0; done < size;) {
        ssize_t got = getrandom(bytes + done, size - done, 0);
        if (got > 0) {
            done += (size_t)got;
        } else if (errno != EINTR) {
            struct timespec now;
            clock_gettime(CLOCK_MONOTONIC, &now);
            bytes[done] = (uint8_t)((uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u >> 56);
            done++;
        }
    }
}

/* Linux names each boot by a UUID. Where it cannot be read, each start counts as another boot: that
   costs the waits of rule of safety 7, the opposite would cost an address held twice. */
static void read_boot_id(uint8_t id[16])
{
    char text[64] = "";
    size_t digits = 0;
    int descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        ssize_t length = read(descriptor, text, sizeof text - 1);
        text[length > 0 ? length : 0] = '\0';
        close(descriptor);
    }
    memset(id, 0, 16);
    for (const char *p = text; *p != '\0' && digits < 32; p++) {
        const char *const hexadecimal = "0123456789abcdef";
        const char *digit = strchr(hexadecimal, *p);
        if (digit != NULL) {
            id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | (digit - hexadecimal));
            digits++;
        }
    }
    if (digits < 32)
        real_random(NULL, id, 16);
}

static void real_boot_id(void *context, uint8_t id[16])
{
    const struct fo_env_real *real = context;
    memcpy(id, real->boot_id, sizeof real->boot_id);
}

/* ------------------------------------------------------------------ lock, wakes, log */

static void real_lock(void *context)
{
    struct fo_env_real *real = context;
    atomic_fetch_add_explicit(&real->waiting, 1, memory_order_relaxed);
    pthread_mutex_lock(&real->lock);
    atomic_fetch_sub_explicit(&real->waiting, 1, memory_order_relaxed);
}

/* A mutex is whose who is there first, and the loop comes back sooner than a callout wakes up: so it leaves a
   moment to those who wait, or a client would wait for as long as the loop is busy. */
static void real_unlock(void *context)
{
    static const struct timespec moment = {.tv_nsec = 20000};
    struct fo_env_real *real = context;
    pthread_mutex_unlock(&real->lock);
    if (atomic_load_explicit(&real->waiting, memory_order_relaxed) > 0 &&
        fo_poller_is_own_thread(real->parts.poller))
        nanosleep(&moment, NULL);
}

static void real_wake(void *context)
{
    struct fo_env_real *real = context;
    fo_loop_wake(real->loop);
}

static void real_wake_rows(void *context)
{
    struct fo_env_real *real = context;
    real->settings.wake_rows(real->settings.context);
}

static void real_log(void *context, enum fo_log_id id, const char *const arguments[])
{
    struct fo_env_real *real = context;
    if (fo_log_queue_put(real->parts.log, id, arguments))
        fo_loop_notice(real->loop);
}

/* ------------------------------------------------------------------ store */

static int real_store_load(void *context, fo_store_visitor *visit, void *argument)
{
    struct fo_env_real *real = context;
    return fo_store_load(real->store, visit, argument);
}

static void real_store_commit(void *context, const struct fo_store_batch *batch)
{
    struct fo_env_real *real = context;
    fo_store_thread_commit(real->store_thread, batch);
}

static void on_answered(void *context)
{
    struct fo_env_real *real = context;
    fo_loop_notice(real->loop);
}

/* ------------------------------------------------------------------ network */

static int real_net_listen(void *context, uint32_t address, uint16_t port)
{
    struct fo_env_real *real = context;
    return fo_transport_listen(real->parts.transport, address, port);
}

static void real_net_unlisten(void *context, uint32_t address, uint16_t port)
{
    struct fo_env_real *real = context;
    fo_transport_unlisten(real->parts.transport, address, port);
}

static fo_connection real_net_connect(void *context, uint32_t local, uint32_t remote, uint16_t port)
{
    struct fo_env_real *real = context;
    const fo_connection id = fo_transport_connect(real->parts.transport, local, remote, port);
    fo_loop_notice(real->loop);
    return id;
}

static bool real_net_send(void *context, fo_connection connection, const uint8_t *data,
                          size_t length)
{
    struct fo_env_real *real = context;
    const bool taken = fo_transport_send(real->parts.transport, connection, data, length);
    fo_loop_notice(real->loop);
    return taken;
}

static size_t real_net_queued(void *context, fo_connection connection)
{
    struct fo_env_real *real = context;
    return fo_transport_queued(real->parts.transport, connection);
}

static void real_net_close(void *context, fo_connection connection)
{
    struct fo_env_real *real = context;
    fo_transport_close(real->parts.transport, connection);
    fo_loop_notice(real->loop);
}

/* ------------------------------------------------------------------ life */

static const struct fo_env functions = {
    .allocate = real_allocate,
    .reallocate = real_reallocate,
    .release = real_release,
    .boot_time = real_boot_time,
    .wall_time = real_wall_time,
    .boot_id = real_boot_id,
    .random = real_random,
    .lock = real_lock,
    .unlock = real_unlock,
    .wake = real_wake,
    .wake_rows = real_wake_rows,
    .store_load = real_store_load,
    .store_commit = real_store_commit,
    .net_listen = real_net_listen,
    .net_unlisten = real_net_unlisten,
    .net_connect = real_net_connect,
    .net_send = real_net_send,
    .net_queued = real_net_queued,
    .net_close = real_net_close,
    .log = real_log,
};

struct fo_env_real *fo_env_real_new(const struct fo_env_real_settings *settings)
{
    struct fo_env_real *real = calloc(1, sizeof *real);
    if (real == NULL)
        return NULL;
    real->env = functions;
    real->env.context = real;
    real->settings = *settings;
    real->settings.state_file = NULL; /* the store has its copy */
    pthread_mutex_init(&real->lock, NULL);
    read_boot_id(real->boot_id);

    struct fo_loop_parts *parts = &real->parts;
    parts->poller = fo_poller_new();
    const int error = parts->poller == NULL ? errno : ENOMEM;
    if (parts->poller != NULL)
        parts->transport = fo_transport_new(parts->poller, &real->env);
    parts->log = fo_log_queue_new(settings->log, settings->context);
    real->store = fo_store_new(settings->state_file);
    if (real->store != NULL)
        parts->store = real->store_thread =
            fo_store_thread_new(real->store, on_answered, real);
    real->loop = fo_loop_new(parts);
    if (parts->transport != NULL && parts->log != NULL && parts->store != NULL &&
        real->loop != NULL)
        return real;
    fo_env_real_free(real);
    errno = error;
    return NULL;
}

const struct fo_env *fo_env_real_env(const struct fo_env_real *real)
{
    return &real->env;
}

int fo_env_real_run(struct fo_env_real *real, struct fo_service *service)
{
    /* Threads begin with the signal mask of their maker: Kea's own thread handles its signals. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    real->service = service;
    fo_log_queue_set_queueing(real->parts.log, true);
    int error = fo_store_thread_start(real->store_thread);
    if (error == 0)
        error = fo_loop_start(real->loop, service);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        fo_env_real_stop(real);
    return error;
}

void fo_env_real_hold_log(struct fo_env_real *real, uint32_t milliseconds)
{
    fo_log_queue_hold(real->parts.log, milliseconds);
    if (milliseconds == 0)
        fo_loop_wake(real->loop);
}

void fo_env_real_stop(struct fo_env_real *real)
{
    struct fo_store_answer answer;
    fo_loop_stop(real->loop);
    fo_store_thread_stop(real->store_thread);
    /* An answer that came after the loop's end: no other thread calls the service now. */
    if (fo_store_thread_fetch(real->store_thread, &answer))
        fo_store_committed(real->service, answer.error, answer.text);
    fo_log_queue_set_queueing(real->parts.log, false);
    fo_log_queue_flush(real->parts.log);
}

void fo_env_real_free(struct fo_env_real *real)
{
    if (real == NULL)
        return;
    fo_loop_free(real->loop);
    fo_store_thread_free(real->store_thread);
    fo_store_free(real->store);
    fo_transport_free(real->parts.transport);
    fo_log_queue_free(real->parts.log);
    fo_poller_free(real->parts.poller);
    pthread_mutex_destroy(&real->lock);
    free(real);
}
