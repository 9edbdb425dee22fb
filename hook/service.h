/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the loop's thread tells the service: the answers to what the service began through fo_env.
 * The service is a step function; a thread (hook/env_real.c), or a simulator, merely calls it.
 * Each call takes the service's lock.
 */
#ifndef FO_HOOK_SERVICE_H
#define FO_HOOK_SERVICE_H

#include "hook/env.h"
#include "hook/failover.h"

/* Does what is due. Returns the boot time in milliseconds at which it wants to be called again at
   the latest (INT64_MAX: not before something happens). */
int64_t fo_service_step(struct fo_service *service);

/* A connection begun by net_connect stands. */
void fo_net_connected(struct fo_service *service, fo_connection connection);
/* Somebody connected to a listener. */
void fo_net_accepted(struct fo_service *service, fo_connection connection, uint32_t local,
                     uint16_t port, uint32_t remote);
void fo_net_received(struct fo_service *service, fo_connection connection, const uint8_t *data,
                     size_t length);
/* The connection failed or ended; `reason` in words ("connection refused", "closed by partner"). */
void fo_net_closed(struct fo_service *service, fo_connection connection, const char *reason);

/* The commit under way ended: `error` 0, or an errno and its text. The batch is the service's again. */
void fo_store_committed(struct fo_service *service, int error, const char *text);

#endif
