/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The service: its life, its clock, and the step that does what is due. Its configuration is in
 * configure.c.
 *
 * fo_service_step is the only place where things happen by time. It runs in the loop's thread, or
 * is called by a simulator; each round does a bounded piece of work under the lock, so that a
 * callout never waits longer than that.
 */
#include "hook/service.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hook/service_internal.h"

/* ------------------------------------------------------------------ clock and words */

struct fo_now fo_service_now(const struct fo_service *service)
{
    int64_t boot = service->env->boot_time(service->env->context);
    int64_t seconds = (service->anchor_wall + (boot - service->anchor_boot)) / 1000;
    return (struct fo_now){.ms = boot, .seconds = (uint32_t)seconds};
}

/* How far Kea's wall clock is from ours, in whole seconds; under 1.5 s counts as none. */
static int64_t wall_offset(const struct fo_service *service)
{
    const struct fo_env *env = service->env;
    int64_t ours = service->anchor_wall + (env->boot_time(env->context) - service->anchor_boot);
    int64_t offset = env->wall_time(env->context) - ours;
    return offset > -1500 && offset < 1500 ? 0 : offset / 1000;
}

static uint32_t shifted(uint32_t time, int64_t by)
{
    int64_t result = (int64_t)time + by;
    return result < 0 ? 0 : result > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)result;
}

uint32_t fo_from_wall(const struct fo_service *service, uint32_t wall)
{
    return shifted(wall, -wall_offset(service));
}

uint32_t fo_to_wall(const struct fo_service *service, uint32_t seconds)
{
    return shifted(seconds, wall_offset(service));
}

const char *fo_print(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return buffer;
}

const char *fo_address_text(uint32_t address, char text[16])
{
    return fo_print(text, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
                    address & 255);
}

const char *fo_hardware_text(const struct fo_client *client, char text[64])
{
    size_t at = 0;
    text[0] = '\0';
    for (uint8_t i = 0; i < client->hardware_length && i < 20; i++)
        at += (size_t)snprintf(text + at, 64 - at, "%s%02x", i ? ":" : "", client->hardware[i]);
    return text;
}

const char *fo_time_text(uint32_t wall, char text[32])
{
    time_t seconds = wall;
    struct tm local;
    localtime_r(&seconds, &local);
    strftime(text, 32, "%Y-%m-%d %H:%M:%S", &local);
    return text;
}

void fo_say(struct fo_service *service, enum fo_log_id id, const char *first, ...)
{
    const char *arguments[10] = {first};
    va_list rest;
    va_start(rest, first);
    for (size_t i = 1; i < 9 && arguments[i - 1] != NULL; i++)
        arguments[i] = va_arg(rest, const char *);
    va_end(rest);
    service->env->log(service->env->context, id, arguments);
}

/* ------------------------------------------------------------------ the step */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* When the next commit may begin: none while one is under way (but its stalling is to be seen), or
   waits after a failure. */
static int64_t commit_deadline(const struct fo_service *service, const struct fo_now *now)
{
    int64_t due = service->stamp_at;
    if (service->committing)
        return service->store_failing ? INT64_MAX : service->commit_began + FO_STALL_MS;
    if (service->saving_epoch || service->urgent)
        due = now->ms + 1;
    else if (service->dirty)
        due = earlier(due, fo_commit_due(service));
    return later(due, service->commit_retry_at);
}

static void end_quarantine(struct fo_service *service, const struct fo_now *now)
{
    const uint32_t ends = fo_quarantine_ends(service);
    if (ends == 0 || now->seconds < ends)
        return;
    service->quarantine_until = service->forgotten_until = 0;
    for (size_t i = 0; i < service->table.past_count; i++)
        fo_bitmap_clear_all(&service->table.past[i].quarantined);
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        pool->balanced_free = UINT32_MAX; /* there may be more to share now */
        for (uint32_t bit = fo_bitmap_next(&pool->quarantined, 0); bit != FO_BITMAP_NONE;
             bit = fo_bitmap_next(&pool->quarantined, bit)) {
            fo_bitmap_clear(&pool->quarantined, bit);
            fo_table_refresh(&service->table, pool, pool->range.first + bit);
        }
    }
}

static bool step_relationship(struct fo_relationship *relationship, const struct fo_now *now)
{
    bool more = fo_partner_down_step(relationship, now);
    more = fo_forgetting_step(relationship, now) || more;
    more = fo_requested_step(relationship, now) || more;
    fo_leaving_step(relationship, now);
    more = fo_watch_mclt(relationship, now) || more;
    if (now->ms >= relationship->rejected_retry_at) {
        relationship->rejected_retry_at = now->ms + FO_REJECTED_RETRY_MS;
        fo_retry_rejected(relationship);
    }
    fo_endpoint_timer(&relationship->endpoint, now);
    fo_watch_clock(relationship, now);
    more = fo_inbound_advance(relationship, now) || more;
    relationship->send_held = false;
    fo_endpoint_pump(&relationship->endpoint, now);
    return more;
}

static void step_stop(struct fo_service *service, const struct fo_now *now)
{
    if (!service->stopping || service->stop_said)
        return;
    if (fo_epoch_of_changes(service) > service->epoch_durable && now->ms < service->stop_until)
        return;
    for (size_t i = 0; i < service->relationship_count; i++)
        fo_endpoint_pause(&service->relationships[i]->endpoint, now);
    service->stop_said = true;
    service->meta_dirty = true; /* the orderly stop */
}

static void step_suspended(struct fo_service *service, const struct fo_now *now)
{
    if (!service->suspended || service->suspend_until == 0 || now->ms < service->suspend_until)
        return;
    service->suspend_until = 0;
    for (size_t i = 0; i < service->table.pool_count; i++)
        service->table.pools[i].reconciled = false; /* Kea may lease without us now (8) */
    service->compared_before = service->compared;
    service->compared = (struct fo_compared){0};
    service->compared_durable = service->orderly = false;
    for (size_t i = 0; i < service->relationship_count; i++)
        fo_endpoint_close(&service->relationships[i]->endpoint, FO_REJECT_OTHER,
                          "the configuration is loaded anew", now);
}

/* Kea runs on without the library: no partner may take this server for one that answers clients. */
bool fo_service_removed(const struct fo_service *service)
{
    return service->suspended && service->suspend_until == 0;
}

static int64_t next_deadline(struct fo_service *service, const struct fo_now *now, bool more)
{
    int64_t deadline = more ? now->ms + 1 : fo_network_deadline(service);
    for (size_t i = 0; i < service->relationship_count && !fo_service_removed(service); i++) {
        const struct fo_relationship *relationship = service->relationships[i];
        deadline = earlier(deadline, fo_endpoint_deadline(&relationship->endpoint, now));
        deadline = earlier(deadline, relationship->rejected_retry_at);
        if (relationship->send_held)
            deadline = earlier(deadline, now->ms + FO_SEND_LOOK_MS);
        deadline = earlier(deadline, fo_partner_down_deadline(relationship, now));
        deadline = earlier(deadline, fo_leaving_deadline(relationship, now));
        deadline = earlier(deadline, fo_forgetting_deadline(relationship, now));
    }
    deadline = earlier(deadline, fo_table_expire_offers(&service->table, now->ms));
    const struct fo_heap_entry *end = fo_heap_top(&service->table.ends);
    if (!service->suspended && end != NULL && end->when < UINT32_MAX - FO_EXPIRY_GUARD) {
        int64_t wait = (int64_t)end->when + FO_EXPIRY_GUARD - (int64_t)now->seconds;
        deadline = earlier(deadline, now->ms + (wait > 0 ? wait * 1000 : 1));
    }
    if (service->table.unwatched_from != FO_INDEX_NONE && !service->suspended && !service->stopping)
        deadline = earlier(deadline, later(service->watch_again_at, now->ms + 1));
    if (service->rows_wanted && service->rows_resume_at > now->ms)
        deadline = earlier(deadline, service->rows_resume_at);
    deadline = earlier(deadline, commit_deadline(service, now));
    deadline = earlier(deadline, fo_watchdog_deadline(service));
    if (service->stopping && !service->stop_said)
        deadline = earlier(deadline, service->stop_until);
    if (service->suspend_until != 0)
        deadline = earlier(deadline, service->suspend_until);
    if (fo_quarantine_ends(service) != 0) {
        int64_t wait = (int64_t)fo_quarantine_ends(service) - (int64_t)now->seconds;
        deadline = earlier(deadline, now->ms + (wait > 0 ? wait * 1000 : 1));
    }
    return deadline;
}

int64_t fo_service_step(struct fo_service *service)
{
    bool more = false;
    service->env->lock(service->env->context);
    struct fo_now now = fo_service_now(service);
    if (service->configured) {
        fo_watchdog_step(service, &now);
        fo_network_timer(service, &now);
        fo_table_expire_offers(&service->table, now.ms);
        end_quarantine(service, &now);
        if (!service->suspended && !service->stopping) {
            more = fo_expire(service, &now);
            more = fo_balance_pools(service, &now) || more;
            fo_open_groups(service);
        }
        more = fo_doubts_step(service) || more;
        for (size_t i = 0; i < service->relationship_count && !fo_service_removed(service); i++)
            more = step_relationship(service->relationships[i], &now) || more;
        step_stop(service, &now);
        step_suspended(service, &now);
        fo_persistence_commit(service, &now);
        if (service->rows_wanted && now.ms >= service->rows_resume_at)
            service->env->wake_rows(service->env->context);
    }
    int64_t deadline = service->configured ? next_deadline(service, &now, more) : INT64_MAX;
    service->step_due_at = deadline;
    service->env->unlock(service->env->context);
    return deadline;
}

/* ------------------------------------------------------------------ life */

struct fo_service *fo_service_new(const struct fo_env *env, char *error)
{
    struct fo_service *service = env->allocate(env->context, sizeof *service);
    if (service == NULL) {
        snprintf(error, FO_CONFIG_ERROR_MAX, "out of memory");
        return NULL;
    }
    service->env = env;
    service->anchor_boot = env->boot_time(env->context);
    service->anchor_wall = env->wall_time(env->context);
    if (!fo_table_init(&service->table, env))
        snprintf(error, FO_CONFIG_ERROR_MAX, "libsodium cannot be used (sodium_init)");
    else if (fo_persistence_load(service, error) == 0)
        return service;
    fo_service_free(service);
    return NULL;
}

void fo_service_free(struct fo_service *service)
{
    const struct fo_env *env;
    if (service == NULL)
        return;
    env = service->env;
    for (size_t i = 0; i < service->relationship_count; i++)
        fo_relationship_free(service->relationships[i]);
    env->release(env->context, service->relationships);
    env->release(env->context, service->subnets);
    env->release(env->context, service->listeners);
    fo_persistence_free(service);
    fo_table_free(&service->table);
    fo_config_free(&service->config);
    env->release(env->context, service);
}

void fo_service_suspend(struct fo_service *service)
{
    service->env->lock(service->env->context);
    service->suspended = true;
    service->away_since = fo_service_now(service).seconds;
    service->suspend_until = fo_service_now(service).ms + FO_SUSPEND_MS;
    service->env->wake(service->env->context);
    service->env->unlock(service->env->context);
}

void fo_service_stop(struct fo_service *service)
{
    service->env->lock(service->env->context);
    service->stopping = true;
    service->stop_until = fo_service_now(service).ms + FO_STOP_MS;
    service->env->wake(service->env->context);
    service->env->unlock(service->env->context);
}

bool fo_service_stopped(struct fo_service *service)
{
    const struct fo_env *env = service->env;
    env->lock(env->context);
    bool stopped = !service->configured ||
                   (service->stop_said && !service->committing && !service->meta_dirty &&
                    !service->saving_epoch);
    env->unlock(env->context);
    return stopped;
}
