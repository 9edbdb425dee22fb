/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Watchdogs, both ways (rule of safety 14). Kea's main thread is asked for a sign of life every few
 * seconds. Where it gives none, its DHCP service is disabled, or a configuration that failed has left it
 * without sockets or without this library, clients of this server get no answer
 * while its failover connection lives on, and the partner would leave them alone: so the partner is told
 * PAUSED (9.13) and takes over. And where our own thread was late, the whole process may have been frozen,
 * with what clients said long ago still in its socket: callouts drop until the loop has made its round.
 *
 * A main thread that is silent for a shorter time, 4 s at least, is told to nobody: its clients are
 * answered late, or by the partner, as they ask again. But a RELEASE or DECLINE that waited meanwhile may
 * be of a lease that the partner has renewed since; it is dropped, for a lease that ends later does no harm.
 *
 * Back in service comes a server as after a start, by a new connection and through STARTUP (9.3).
 */
#include "hook/service_internal.h"

enum {
    PULSE_MS = 3000,   /* Kea's main thread is asked so often */
    SILENT_MS = 10000, /* it is not there, or our partner would hear too late: max-response-delay is 60 s */
    LATE_MS = 5000,    /* our own thread is, or less would come of a busy machine */
    STALE_MS = 1000,   /* Kea's answer to PULSE_MS is */
};

bool fo_watchdog_late(const struct fo_service *service, const struct fo_now *now)
{
    return service->pulse_at != 0 && now->ms - LATE_MS > service->step_due_at;
}

bool fo_watchdog_stale(const struct fo_service *service, const struct fo_now *now)
{
    /* It may also read them before it answers us. */
    const bool overdue = service->pulse_at != 0 && !service->suspended &&
                         now->ms - service->pulse_at >= PULSE_MS + STALE_MS;
    return overdue || now->ms < service->stale_until;
}

/* Kea's main thread did not read its sockets for some seconds; the partner may have served clients whose
   words wait there (load-balance-max-seconds). They are read in a moment, how long that takes nobody knows. */
static void note_silence(struct fo_service *service, int64_t now)
{
    const int64_t silence = service->pulse_at != 0 ? now - service->pulse_at : 0;
    if (silence >= PULSE_MS + STALE_MS)
        service->stale_until = now + (silence < SILENT_MS ? silence : SILENT_MS);
}

void fo_kea_pulse(struct fo_service *service, const char *idle)
{
    service->env->lock(service->env->context);
    const int64_t now = fo_service_now(service).ms;
    note_silence(service, now);
    service->pulse_at = now;
    if (service->step_due_at == 0)
        service->step_due_at = service->pulse_at; /* the first one: from now on both watch */
    if ((service->kea_idle == NULL) != (idle == NULL))
        service->env->wake(service->env->context);
    service->kea_idle = idle;
    service->env->unlock(service->env->context);
}

static void pause_all(struct fo_service *service, const char *why, const struct fo_now *now)
{
    service->paused = why;
    service->paused_since = now->seconds;
    fo_say(service, FAILOVER_PAUSED, why, NULL);
    for (size_t i = 0; i < service->relationship_count; i++)
        if (!service->relationships[i]->endpoint.shut) /* that partner knows already */
            fo_endpoint_pause(&service->relationships[i]->endpoint, now);
}

static void resume_all(struct fo_service *service, uint32_t since, const char *why,
                       const struct fo_now *now)
{
    service->paused = NULL;
    for (size_t i = 0; i < service->relationship_count; i++)
        if (!service->relationships[i]->endpoint.shut)
            fo_endpoint_resume(&service->relationships[i]->endpoint, since, why, now);
}

static void was_late(struct fo_service *service, const struct fo_now *now)
{
    char text[24];
    const int64_t late = now->ms - service->step_due_at;
    fo_say(service, FAILOVER_LATE, fo_print(text, sizeof text, "%lld", (long long)late / 1000), NULL);
    note_silence(service, now->ms); /* contact may be back before Kea has read what waits */
    service->pulse_at = service->pulse_asked_at = now->ms; /* nor could Kea's be seen */
    if (service->paused == NULL)
        resume_all(service, now->seconds - (uint32_t)(late / 1000), "this process got no time", now);
}

void fo_watchdog_step(struct fo_service *service, const struct fo_now *now)
{
    if (service->pulse_at == 0 || service->stopping || fo_service_removed(service))
        return;
    if (service->suspended)
        service->pulse_at = now->ms; /* a new configuration is being loaded: Kea is at work */
    if (fo_watchdog_late(service, now))
        was_late(service, now);
    if (now->ms >= service->pulse_asked_at + PULSE_MS) {
        service->pulse_asked_at = now->ms;
        service->env->wake_rows(service->env->context);
    }
    const char *why = service->kea_idle != NULL                  ? service->kea_idle
                      : now->ms > service->pulse_at + SILENT_MS ? "its main thread does not run"
                                                                : NULL;
    if (why != NULL && service->paused == NULL) {
        pause_all(service, why, now);
    } else if (why == NULL && service->paused != NULL) {
        fo_say(service, FAILOVER_RESUMED, NULL);
        resume_all(service, service->paused_since, "Kea serves again", now);
    }
}

int64_t fo_watchdog_deadline(const struct fo_service *service)
{
    return service->pulse_at == 0 || service->stopping || fo_service_removed(service)
               ? INT64_MAX
               : service->pulse_asked_at + PULSE_MS;
}
