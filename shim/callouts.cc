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
 * in leases4_committed or pkt4_send. reuseable_valid_lft_ is set to 0, or the engine would write
 * nothing and promise what is left of the old lease. An entry of leases4 is the database's own
 * object and is not touched. A status set by another library is never lowered.
 */
#include "shim/packet.h"

#include <dhcp/dhcp4.h>
#include <dhcpsrv/lease_mgr.h>
#include <dhcpsrv/lease_mgr_factory.h>

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

const char *const CONTEXT = "failover";

/* ------------------------------------------------------------------ Kea's handle */

template <typename Type> Type argument(CalloutHandle &handle, const char *name)
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
    static Total totals[6];

    explicit Stopwatch(const char *callout)
        : total(totals[std::find(names, names + 5, std::string(callout)) - names])
    {
    }
    ~Stopwatch()
    {
        const auto spent = std::chrono::nanoseconds(Clock::now() - begin);
        total.nanoseconds += static_cast<uint64_t>(spent.count());
        total.calls++;
    }

    static constexpr const char *names[] = {"pkt4_receive", "subnet4_select",    "lease4_select",
                                            "lease4_renew", "leases4_committed", "pkt4_send"};
    Total &total;
    const Clock::time_point begin = Clock::now();
};
Stopwatch::Total Stopwatch::totals[6];

__attribute__((destructor)) void tell_times()
{
    for (size_t i = 0; i < 6; i++) {
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

void drop_refused(CalloutHandle &handle, const Packet &packet)
{
    if (debug_wanted()) {
        const fo_refusal &why = packet.decision.refusal;
        log(FAILOVER_QUERY_DROPPED,
            {why.relationship, packet.client_text(), std::to_string(packet.decision.bucket),
             why.owner, why.reason});
    }
    drop(handle);
}

/* ------------------------------------------------------------------ pkt4_receive */

extern "C" int pkt4_receive(CalloutHandle &handle)
{
    return dropping(handle, "pkt4_receive", [&handle] {
        const Pkt4Ptr query = argument<Pkt4Ptr>(handle, "query4");
        if (service() == nullptr || !in_step()) {
            drop(handle);
            return;
        }
        if (!concerns_us(query->getType()) || handle.getStatus() == CalloutHandle::NEXT_STEP_DROP) {
            return;
        }
        const PacketPtr packet(new Packet());
        handle.setContext(CONTEXT, packet);
        packet->read(*query);
        fo_query_received(service(), &packet->query, &packet->decision);
        if (packet->decision.answer == FO_DROP) {
            drop_refused(handle, *packet);
        }
    });
}

/* ------------------------------------------------------------------ subnet4_select */

/* The client holds what it asks for, or is about to: leases of it at other addresses end. True where
   there were any. */
bool leave_others(Packet &packet)
{
    fo_claim left;
    uint32_t after = 0;
    while (fo_moved_from(service(), &packet.query, &packet.decision, after, &left)) {
        after = left.address;
        if (!guarded("the row of an address left", [after] { remove_row(after); })) {
            packet.decision.doubtful = true;
        }
        fo_claim_release(service(), &left);
    }
    return after != 0;
}

void select_subnet(CalloutHandle &handle, const Pkt4Ptr &query, const SubnetArgument &subnet,
                   Packet &packet)
{
    const uint32_t id = subnet->getID();
    if (!subnet->getMatchClientId()) {
        packet.query.client.identifier_length = 0; /* nor will Kea's rows have one */
    }
    if (fo_reservations_matter(service(), id)) {
        packet.query.reserved_address = find_reservations(query, subnet).address;
    }
    ClientClasses classes;
    const bool guards = guarded_by_class(id);
    if (guards) {
        classes = classes_for_guards(query, subnet);
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
        const SubnetArgument subnet = argument<SubnetArgument>(handle, "subnet4");
        const PacketPtr packet = packet_of(handle);
        if (!packet || !subnet || handle.getStatus() == CalloutHandle::NEXT_STEP_DROP) {
            return;
        }
        select_subnet(handle, argument<Pkt4Ptr>(handle, "query4"), subnet, *packet);
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
void bound_grant(Packet &packet, Lease4 &lease)
{
    uint32_t length = lease.valid_lft_;
    packet.desired = length;
    lease.reuseable_valid_lft_ = 0;
    packet.forbidden =
        fo_lease_requested(service(), lease.subnet_id_, &packet.query, &packet.decision,
                           number(lease.addr_), &length) == FO_DROP;
    if (!packet.forbidden) {
        lease.valid_lft_ = length;
        packet.granted = true;
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
        const Lease4Ptr lease = argument<Lease4Ptr>(handle, "lease4");
        if (!ours(packet, lease)) {
            return;
        }
        if (packet->query.message_type == DHCPDISCOVER) {
            bound_offer(*packet, *lease);
            return;
        }
        packet->decision.claim.row_written = true;
        bound_grant(*packet, *lease);
        if (packet->forbidden && !argument<bool>(handle, "fake_allocation")) {
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
        const Lease4Ptr lease = argument<Lease4Ptr>(handle, "lease4");
        if (!ours(packet, lease)) {
            return;
        }
        if (packet->query.message_type == DHCPDISCOVER) {
            bound_offer(*packet, *lease);
            return;
        }
        packet->decision.claim.row_written = true; /* the engine writes, whatever we say */
        bound_grant(*packet, *lease);
    });
}

/* ------------------------------------------------------------------ leases4_committed */

/* Makes Kea's row say what the service wants it to say, from a fresh copy. */
void correct_row(const Lease4 &written, uint32_t length)
{
    const Lease4Ptr copy = LeaseMgrFactory::instance().getLease4(written.addr_);
    if (!copy) {
        isc_throw(isc::Unexpected, "the row just written is gone: " << written.addr_.toText());
    }
    copy->valid_lft_ = length;
    LeaseMgrFactory::instance().updateLease4(copy);
}

/* The client's older lease that the engine deleted. The collection also names a row that was only
   considered, so Kea is asked. */
void tell_deleted(Packet &packet, const Lease4CollectionPtr &deleted)
{
    for (const Lease4Ptr &lease : *deleted) {
        if (governed(lease->subnet_id_) && !LeaseMgrFactory::instance().getLease4(lease->addr_)) {
            fo_row_deleted(service(), number(lease->addr_), &packet.query.client);
        }
    }
}

/* A REQUEST was answered with a lease. */
void commit(CalloutHandle &handle, Packet &packet, const Lease4 &lease)
{
    if (packet.decision.claim.address == 0) {
        return; /* granted without a claim: a reservation outside the governed pools, not ours */
    }
    uint32_t length = lease.valid_lft_;
    uint8_t space[FO_DETAIL_MAX];
    fo_details details;
    read_details(lease, space, details);
    const fo_answer answer =
        fo_committed(service(), lease.subnet_id_, &packet.query, &packet.decision,
                     static_cast<uint32_t>(lease.cltt_), lease.valid_lft_, packet.desired, &details,
                     &length);
    if (answer == FO_DROP) {
        packet.forbidden = true;
        drop(handle);
        return;
    }
    if (length != lease.valid_lft_) {
        correct_row(lease, length);
    }
    packet.decision.claim.row_written = false; /* the row says what the service said */
}

/* The engine makes a NAK of every error, also where its database has failed and it knows nothing of the
   lease. */
bool database_answers(const Packet &packet)
{
    return guarded("Kea's lease database", [&packet] {
        LeaseMgrFactory::instance().getLease4(IOAddress(packet.decision.claim.address));
    });
}

void request_committed(CalloutHandle &handle, Packet &packet, const Lease4CollectionPtr &leases,
                       const Lease4CollectionPtr &deleted)
{
    guarded("deleted leases", [&] { tell_deleted(packet, deleted); });
    if (packet.forbidden || packet.failed) {
        drop(handle); /* the lease, or the engine's NAK for our refusal */
    } else if (!leases->empty()) {
        commit(handle, packet, *leases->front());
    } else if (packet.granted || packet.decision.doubtful || leave_others(packet) ||
               !database_answers(packet)) {
        packet.forbidden = true; /* the engine failed to write, or to see: no NAK for that */
        drop(handle);
    }
}

/* Whatever the engine made of the row (newer Kea keeps it as released, and names it as deleted all the
   same), the service sees to it that it goes. Of a row that was kept the names are still in DNS. */
void release_committed(Packet &packet, const Lease4CollectionPtr &deleted)
{
    if (!deleted->empty() && fo_released(service(), &packet.decision, true) &&
        is_released(*deleted->front())) {
        remove_names(deleted->front());
    }
}

void decline_committed(Packet &packet, const Lease4CollectionPtr &leases)
{
    if (!leases->empty()) {
        const Lease4 &lease = *leases->front();
        fo_declined(service(), &packet.decision,
                    static_cast<uint32_t>(lease.cltt_) + lease.valid_lft_);
    }
}

extern "C" int leases4_committed(CalloutHandle &handle)
{
    return dropping(handle, "leases4_committed", [&handle] {
        const PacketPtr packet = packet_of(handle);
        if (!packet || !packet->decision.governed) {
            return;
        }
        const auto leases = argument<Lease4CollectionPtr>(handle, "leases4");
        const auto deleted = argument<Lease4CollectionPtr>(handle, "deleted_leases4");
        switch (packet->query.message_type) {
        case DHCPREQUEST:
            request_committed(handle, *packet, leases, deleted);
            break;
        case DHCPRELEASE:
            release_committed(*packet, deleted);
            break;
        case DHCPDECLINE:
            decline_committed(*packet, leases);
            break;
        default:
            break;
        }
        packet->release();
    });
}

/* ------------------------------------------------------------------ pkt4_send */

extern "C" int pkt4_send(CalloutHandle &handle)
{
    return dropping(handle, "pkt4_send", [&handle] {
        const PacketPtr packet = packet_of(handle);
        if (!packet) {
            return;
        }
        if (packet->forbidden || packet->failed) {
            drop(handle);
            return;
        }
        const Pkt4Ptr response = argument<Pkt4Ptr>(handle, "response4");
        if (response && packet->decision.governed) {
            fit_renewal_times(*response);
        }
    });
}

/* ------------------------------------------------------------------ lease4_expire */

/* Kea's timer reclaims what our clock has not ended yet, on both servers alike, and would have the
   lease's names removed from DNS by each: that is the service's to decide. */
extern "C" int lease4_expire(CalloutHandle &handle)
{
    guarded("lease4_expire", [&handle] {
        const Lease4Ptr lease = argument<Lease4Ptr>(handle, "lease4");
        if (lease && service() != nullptr && governed(lease->subnet_id_)) {
            lease->fqdn_fwd_ = lease->fqdn_rev_ = false;
        }
    });
    return 0;
}

} // namespace

void register_callouts(isc::hooks::LibraryHandle &handle)
{
    handle.registerCallout("pkt4_receive", pkt4_receive);
    handle.registerCallout("subnet4_select", subnet4_select);
    handle.registerCallout("lease4_select", lease4_select);
    handle.registerCallout("lease4_renew", lease4_renew);
    handle.registerCallout("leases4_committed", leases4_committed);
    handle.registerCallout("pkt4_send", pkt4_send);
    handle.registerCallout("lease4_expire", lease4_expire);
}

} // namespace failover
