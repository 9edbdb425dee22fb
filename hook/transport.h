/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * TCP connections between partners (section 8.2 of the draft). Any thread begins things: they are
 * noted under a small mutex. The loop's thread does them: it alone touches a connection's socket,
 * and tells the service what came of it.
 *
 * Addresses are IPv4 in host byte order.
 */
#ifndef FO_HOOK_TRANSPORT_H
#define FO_HOOK_TRANSPORT_H

#include "hook/env.h"
#include "hook/poller.h"

struct fo_transport;
struct fo_service;

/* `env` is for its log. NULL: no memory. */
struct fo_transport *fo_transport_new(struct fo_poller *poller, const struct fo_env *env);
/* Closes everything; takes NULL. */
void fo_transport_free(struct fo_transport *transport);

/* Any thread; each as the function of struct fo_env. The poller must be woken afterwards. */
int fo_transport_listen(struct fo_transport *transport, uint32_t address, uint16_t port);
void fo_transport_unlisten(struct fo_transport *transport, uint32_t address, uint16_t port);
fo_connection fo_transport_connect(struct fo_transport *transport, uint32_t local, uint32_t remote,
                                   uint16_t port);
bool fo_transport_send(struct fo_transport *transport, fo_connection id, const uint8_t *data,
                       size_t length);
size_t fo_transport_queued(struct fo_transport *transport, fo_connection id);
void fo_transport_close(struct fo_transport *transport, fo_connection id);

/* The loop's thread. An event of the poller: */
void fo_transport_event(struct fo_transport *transport, uint64_t token, uint32_t events,
                        struct fo_service *service);
/* Does what was begun and what is due; true if the service was told something. */
bool fo_transport_work(struct fo_transport *transport, struct fo_service *service);
/* When fo_transport_work must be called at the latest; INT64_MAX: not before something happens. */
int64_t fo_transport_deadline(struct fo_transport *transport);
/* Closes all listeners, and all connections as fo_transport_close does; no new ones are made. */
void fo_transport_close_all(struct fo_transport *transport);
/* No connection is left. */
bool fo_transport_is_idle(struct fo_transport *transport);

#endif
