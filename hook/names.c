/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a lease tells beside client and times, where the partner tells it, too (7.1.4); and whose it is to
 * remove from DNS what a lease has there (5.12.4): the one's that makes the address FREE, once.
 *
 * The removal is Kea's main thread's, like the row (rows.c), and like the row it comes before the address
 * is free, or another client's.
 */
#include "hook/service_internal.h"
#include "protocol/binding.h"

/* What the update says of the lease beside client and times (7.1.4), of the later transaction where
   both servers have something to say (who knows of no name says nothing, and so takes what it hears, or
   each would keep its own). Nobody is told anything for that, or the two would correct each other for
   ever. Before its transaction time becomes ours. */
void fo_apply_details(struct fo_relationship *relationship, const struct fo_pool *pool,
                      struct fo_binding *binding, const struct fo_update *update, bool merge,
                      uint32_t cltt)
{
    struct fo_service *service = relationship->service;
    uint8_t space[FO_DETAIL_MAX];
    struct fo_details details;
    fo_details_hear(update, &details, space);
    if (!details.told)
        return;
    if (details.forward || details.reverse)
        fo_note_partners_names(relationship);
    const bool ours = merge && fo_table_details(binding).told &&
                      fo_partner_unaware(pool, bit_in(pool, update->address)) &&
                      (cltt < binding->cltt || (cltt == binding->cltt && pool->primary));
    if (!ours && !fo_table_set_details(&service->table, binding, &details))
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "the host name of a lease", NULL);
}

/* The partner ends the lease, and says by the DDNS option that it removes what DNS has of it. One that
   does not know of the lease says nothing, nor does one of another make, nor one that leaves it to us.
   What it removed before a later lease of ours, it did not remove for that; where two clocks cannot tell,
   the names are rather removed twice than never. FREE and BACKUP it says of
   what it knew when it has done so. Before its transaction time becomes ours. */
void fo_leave_names(struct fo_relationship *relationship, const struct fo_pool *pool,
                    struct fo_binding *binding, const struct fo_update *update)
{
    const bool unaware = fo_partner_unaware(pool, bit_in(pool, update->address));
    /* Ends by time cross every day, and are the same one; a RELEASE there and a lease here are two. */
    const uint32_t near = update->status == FO_RELEASED ? FO_TRANSACTION_GUARD : 0;
    const bool later =
        unaware && fo_transaction_time(relationship, update) < binding->cltt + near;
    if (fo_status_becomes_free((enum fo_binding_status)update->status)
            ? fo_details_names_taken(update) && !later
            : relationship->endpoint.session.partner.own_kind && !unaware)
        fo_table_forget_names(binding);
}

/* A lease of ours that the partner does not know of, so that it cannot have removed its names, gives way
   to what it says. */
uint8_t fo_names_displaced(const struct fo_pool *pool, const struct fo_binding *binding)
{
    return binding->status == FO_ACTIVE && fo_table_has_names(binding) &&
                   fo_partner_unaware(pool, bit_in(pool, binding->address))
               ? FO_NAMES_IN_ROW
               : 0;
}

bool fo_names_due(const struct fo_binding *binding)
{
    return fo_status_becomes_free((enum fo_binding_status)binding->status) &&
           ((binding->flags & FO_FLAG_FREEING) || (binding->ip_flags & FO_NAMES_DUE)) &&
           fo_table_has_names(binding);
}

/* Kea's main thread has not passed on yet what is to be removed from DNS. */
bool fo_names_wait(struct fo_service *service, struct fo_pool *pool,
                   const struct fo_binding *binding)
{
    if (binding == NULL || !fo_names_due(binding))
        return false;
    fo_mark_row(service, pool, binding->address);
    return true;
}

/* The partner, which has acknowledged the end of a lease, though we never heard so, has given its address
   to somebody else: the names in DNS are ours to remove, as they would be with the acknowledgement. */
bool fo_names_come_first(struct fo_service *service, struct fo_pool *pool,
                         struct fo_binding *binding, const struct fo_update *update)
{
    const struct fo_client client = fo_update_client(update);
    if (binding == NULL || !fo_status_becomes_free((enum fo_binding_status)binding->status) ||
        !fo_table_has_names(binding) ||
        (update->status != FO_ABANDONED &&
         (update->status != FO_ACTIVE || fo_table_same_client(binding, &client))))
        return false;
    binding->ip_flags |= FO_NAMES_DUE;
    fo_mark_row(service, pool, update->address);
    return true;
}
