/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The callouts that a packet passes. Each reads Kea's objects, makes one call into the service and
 * writes back its result. What is known of the packet goes along with it in its callout handle; the
 * claim in it undoes itself when the packet ends.
 *
 * Kea's rules for callouts, each found the hard way: lease4_renew is never skipped (the engine
 * would answer with the old, long lease), nor is the lease4_select of a DISCOVER (the engine may
 * abort). DROP does nothing in either. So what must not go out is marked on the packet, and dropped
 * in pkt4_send, where a lease is committed, too, for its answer leaves next. reuseable_valid_lft_ is set
 * to 0, or the engine would write nothing and promise what is left of the old lease. A status set by
 * another library is never lowered.
 */
#include "shim/packet.h"

#include <dhcp/dhcp4.h>
#include <dhcpsrv/lease_mgr.h>
#include <dhcpsrv/lease_mgr_factory.h>

#include <boost/make_shared.hpp>

#ifdef FO_TIME_CALLOUTS
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#endif

namespace failover {

using namespace isc::dhcp;
using isc::asiolink::IOAddress;
using isc::hooks::CalloutHandle;

namespace {

/* Kea wants its names as strings, for each question; made once they cost nothing. */
const std::string CONTEXT = "failover", QUERY = "query4", RESPONSE = "response4", SUBNET = "subnet4",
                  LEASE = "lease4", FAKE = "fake_allocation";

/* ------------------------------------------------------------------ Kea's handle */

template <typename Type> Type argument(CalloutHandle &handle, const std::string &name)
{
    Type value;
    handle.getArgument(name, value);
    return value;
}

/* The packet's state, or null where it is none of ours. */
PacketPtr packet_of(CalloutHandle &handle)
{
    PacketPtr packet;
    try {
        handle.getContext(CONTEXT, packet);
    } catch (const isc::hooks::NoSuchCalloutContext &) {
    }
    return packet;
}

void drop(CalloutHandle &handle)
{
    handle.setStatus(CalloutHandle::NEXT_STEP_DROP);
}

void mark_failed(CalloutHandle &handle) noexcept
{
    try {
        const PacketPtr packet = packet_of(handle);
        if (packet) {
            packet->failed = true;
            packet->decision.claim.row_written = true; /* perhaps: it will be read */
        }
    } catch (...) {
    }
}

#ifdef FO_TIME_CALLOUTS
/* For doc/performance.md: the time within each callout, told when the process ends. */
struct Stopwatch {
    using Clock = std::chrono::steady_clock;
    struct Total {
        std::atomic<uint64_t> calls{0}, nanoseconds{0};
    };
    static Total totals[5];

    explicit Stopwatch(const char *callout)
        : total(totals[std::find(names, names + 4, std::string(callout)) - names])
    {
    }
    ~Stopwatch()
    {
        const auto spent = std::chrono::nanoseconds(Clock::now() - begin);
        total.nanoseconds += static_cast<uint64_t>(spent.count());
        total.calls++;
    }

    static constexpr const char *names[] = {"subnet4_select", "lease4_select", "lease4_renew",
                                            "pkt4_send", "others"};
    Total &total;
    const Clock::time_point begin = Clock::now();
};
Stopwatch::Total Stopwatch::totals[5];

__attribute__((destructor)) void tell_times()
{
    for (size_t i = 0; i < 5; i++) {
        const uint64_t calls = Stopwatch::totals[i].calls;
        fprintf(stderr, "callout %s calls %llu nanoseconds %llu\n", Stopwatch::names[i],
                static_cast<unsigned long long>(calls),
                static_cast<unsigned long long>(Stopwatch::totals[i].nanoseconds));
    }
}
#else
struct Stopwatch {
    explicit Stopwatch(const char *) {}
};
#endif

/* A callout whose failure drops the packet; Kea honours DROP where this is used. */
template <typename Body> int dropping(CalloutHandle &handle, const char *name, Body body)
{
    const Stopwatch time(name);
    if (!guarded(name, body)) {
        mark_failed(handle);
        drop(handle);
    }
    return 0;
}

/* A callout where Kea ignores DROP: its failure is remembered until a later callout. */
template <typename Body> int marking(CalloutHandle &handle, const char *name, Body body)
{
    const Stopwatch time(name);
    if (!guarded(name, body)) {
        mark_failed(handle);
    }
    return 0;
}

void tell_refused(const Packet &packet)
{
    if (debug_wanted()) {
        const fo_refusal &why = packet.decision.refusal;
        log(FAILOVER_QUERY_DROPPED,
            {why.relationship, packet.client_text(), std::to_string(packet.decision.bucket),
             why.owner, why.reason});
    }
}

void drop_refused(CalloutHandle &handle, const Packet &packet)
{
    tell_refused(packet);
    drop(handle);
}

/* What is known of the query goes along with it from here on. */
PacketPtr begin(CalloutHandle &handle, Pkt4 &query)
{
    const PacketPtr packet = boost::make_shared<Packet>();
    handle.setContext(CONTEXT, packet);
    packet->read(query);
    fo_query_begins(&packet->query, &packet->decision);
    return packet;
}

/* ------------------------------------------------------------------ subnet4_select */

/* Whether reservations name the client; its reserved address is told the service. */
bool look_up(Packet &packet, const Pkt4Ptr &query, const SubnetArgument &subnet)
{
    const Reservations found = find_reservations(query, subnet);
    packet.query.reserved_address = found.address;
    packet.looked_up = true;
    return found.known;
}

/* Reservations may be in a database, which Kea asks, too, a moment later. So it is not asked for a DISCOVER
   whose client had none when Kea's configuration was loaded; if it has one now, the engine's choice tells. */
bool is_to_be_looked_up(const Pkt4 &query, const Packet &packet)
{
    return packet.query.bootp || packet.query.message_type != DHCPDISCOVER ||
           may_have_reservation(query);
}

void select_subnet(CalloutHandle &handle, const Pkt4Ptr &query, const SubnetArgument &subnet,
                   Packet &packet)
{
    const uint32_t id = subnet->getID();
    if (!subnet->getMatchClientId()) {
        packet.query.client.identifier_length = 0; /* nor will Kea's rows have one */
    }
    const bool guards = packet.query.message_type == DHCPDISCOVER && guarded_by_class(id);
    const bool reservations = fo_reservations_matter(service(), id, &packet.query);
    packet.plain = !guards && !reservations;
    ClientClasses classes;
    if (guards) {
        classes = query->getClasses();
    }
    if (guards || (reservations && is_to_be_looked_up(*query, packet))) {
        /* KNOWN and UNKNOWN are given by Kea after the subnet is selected. What other classes make of
           them comes too late for us; the replacement in lease4_select catches that. */
        classes.insert(look_up(packet, query, subnet) ? "KNOWN" : "UNKNOWN");
    }
    fo_subnet_selected(service(), id, &packet.query, guards ? failover_pool_allowed : nullptr,
                       &classes, &packet.decision);
    if (packet.decision.answer == FO_DROP) {
        drop_refused(handle, packet);
    } else if (packet.decision.steer) {
        steer(*query, packet.decision.address);
    } else {
        leave_others(packet);
    }
}

extern "C" int subnet4_select(CalloutHandle &handle)
{
    return dropping(handle, "subnet4_select", [&handle] {
        if (service() == nullptr || !in_step()) {
            drop(handle);
            return;
        }
        const Pkt4Ptr query = argument<Pkt4Ptr>(handle, QUERY);
        if (!concerns_us(query->getType()) || handle.getStatus() == CalloutHandle::NEXT_STEP_DROP) {
            return;
        }
        const SubnetArgument subnet = argument<SubnetArgument>(handle, SUBNET);
        const PacketPtr packet = begin(handle, *query);
        if (subnet) {
            select_subnet(handle, query, subnet, *packet);
            return;
        }
        fo_query_received(service(), &packet->query, &packet->decision);
        if (packet->decision.answer == FO_DROP) {
            drop_refused(handle, *packet); /* Kea would say NAK */
        }
    });
}

/* ------------------------------------------------------------------ lease4_select, lease4_renew */

/* A DISCOVER's lease is on its way into an OFFER. */
void bound_offer(Packet &packet, Lease4 &lease)
{
    uint32_t address = number(lease.addr_);
    uint32_t length = lease.valid_lft_;
    packet.forbidden = fo_lease_offered(service(), lease.subnet_id_, &packet.query,
                                        &packet.decision, &address, &length) == FO_DROP;
    lease.reuseable_valid_lft_ = 0;
    if (packet.forbidden) {
        return;
    }
    lease.valid_lft_ = length;
    if (address != number(lease.addr_)) {
        lease.addr_ = IOAddress(address);
    }
}

/* A REQUEST's lease is about to be written and acknowledged. */
void bound_grant(Packet &packet, const Lease4Ptr &lease)
{
    uint32_t length = lease->valid_lft_;
    packet.desired = length;
    lease->reuseable_valid_lft_ = 0;
    packet.forbidden =
        fo_lease_requested(service(), lease->subnet_id_, &packet.query, &packet.decision,
                           number(lease->addr_), &length) == FO_DROP;
    if (!packet.forbidden) {
        lease->valid_lft_ = length;
        packet.granted = lease;
    }
}

/* Whether the lease in this callout is ours to bound. */
bool ours(const PacketPtr &packet, const Lease4Ptr &lease)
{
    return packet && lease && packet->decision.governed;
}

extern "C" int lease4_select(CalloutHandle &handle)
{
    return marking(handle, "lease4_select", [&handle] {
        const PacketPtr packet = packet_of(handle);
        const Lease4Ptr lease = argument<Lease4Ptr>(handle, LEASE);
        if (!ours(packet, lease)) {
            return;
        }
        if (packet->query.message_type == DHCPDISCOVER) {
            packet->decision.rowless = packet->plain;
            if (number(lease->addr_) != packet->decision.address && !packet->looked_up) {
                look_up(*packet, argument<Pkt4Ptr>(handle, QUERY), argument<SubnetArgument>(handle, SUBNET));
            }
            bound_offer(*packet, *lease);
            return;
        }
        packet->decision.claim.row_written = true;
        if (!packet->decision.rowless) {
            guarded("the client's rows", [&] { note_rows(*packet, *lease); });
        }
        bound_grant(*packet, lease);
        if (packet->forbidden && !argument<bool>(handle, FAKE)) {
            /* The engine would take another library's DROP for CONTINUE here. */
            handle.setStatus(CalloutHandle::NEXT_STEP_SKIP);
            packet->forbidden = !packet->decision.nak;
        }
    });
}

extern "C" int lease4_renew(CalloutHandle &handle)
{
    return marking(handle, "lease4_renew", [&handle] {
        const PacketPtr packet = packet_of(handle);
        const Lease4Ptr lease = argument<Lease4Ptr>(handle, LEASE);
        if (!ours(packet, lease)) {
            return;
        }
        if (packet->query.message_type == DHCPDISCOVER) {
            bound_offer(*packet, *lease);
            return;
        }
        packet->decision.claim.row_written = true; /* the engine writes, whatever we say */
        bound_grant(*packet, lease);
    });
}

/* ------------------------------------------------------------------ lease4_release, lease4_decline */

/* The row is what Kea has read before this callout: nothing was written since. */
bool still_there(const Lease4Ptr &read)
{
    const Lease4Ptr row = read ? LeaseMgrFactory::instance().getLease4(read->addr_) : Lease4Ptr();
    return row && *row == *read;
}

/* Kea is about to do it. The lease is claimed, and what comes of that is seen when the packet ends. What
   fails or is refused here does not happen. */
void give_back(CalloutHandle &handle)
{
    if (handle.getStatus() != CalloutHandle::NEXT_STEP_CONTINUE) {
        return;
    }
    handle.setStatus(CalloutHandle::NEXT_STEP_SKIP);
    if (service() == nullptr || !in_step()) {
        return;
    }
    const Pkt4Ptr query = argument<Pkt4Ptr>(handle, QUERY);
    const PacketPtr packet = begin(handle, *query);
    packet->query.age_ms = age_of(*query);
    fo_query_received(service(), &packet->query, &packet->decision);
    if (packet->decision.answer == FO_DROP) {
        tell_refused(*packet);
        return;
    }
    if (packet->decision.governed && !still_there(argument<Lease4Ptr>(handle, LEASE))) {
        return;
    }
    packet->given_back = packet->decision.governed;
    handle.setStatus(CalloutHandle::NEXT_STEP_CONTINUE);
}

extern "C" int lease4_release(CalloutHandle &handle)
{
    return marking(handle, "lease4_release", [&handle] { give_back(handle); });
}

extern "C" int lease4_decline(CalloutHandle &handle)
{
    return marking(handle, "lease4_decline", [&handle] { give_back(handle); });
}

/* ------------------------------------------------------------------ pkt4_send */

extern "C" int pkt4_send(CalloutHandle &handle)
{
    return dropping(handle, "pkt4_send", [&handle] {
        const PacketPtr packet = packet_of(handle);
        if (!packet) {
            return;
        }
        const Pkt4Ptr response = argument<Pkt4Ptr>(handle, RESPONSE);
        if (!answer_stands(*packet, *response)) {
            packet->forbidden = true;
            drop(handle);
        } else if (packet->decision.governed) {
            fit_renewal_times(*response);
        }
        packet->release();
    });
}

/* ------------------------------------------------------------------ lease4_expire */

/* Kea's timer reclaims what our clock has not ended yet, on both servers alike, and would have the
   lease's names removed from DNS by each: that is the service's to decide. */
extern "C" int lease4_expire(CalloutHandle &handle)
{
    guarded("lease4_expire", [&handle] {
        const Lease4Ptr lease = argument<Lease4Ptr>(handle, LEASE);
        if (lease && service() != nullptr && governed(lease->subnet_id_)) {
            lease->fqdn_fwd_ = lease->fqdn_rev_ = false;
        }
    });
    return 0;
}

} // namespace

void register_callouts(isc::hooks::LibraryHandle &handle)
{
    handle.registerCallout("subnet4_select", subnet4_select);
    handle.registerCallout("lease4_select", lease4_select);
    handle.registerCallout("lease4_renew", lease4_renew);
    handle.registerCallout("lease4_release", lease4_release);
    handle.registerCallout("lease4_decline", lease4_decline);
    handle.registerCallout("pkt4_send", pkt4_send);
    handle.registerCallout("lease4_expire", lease4_expire);
}

} // namespace failover
