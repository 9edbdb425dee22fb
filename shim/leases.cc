/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Kea's lease rows, written for the service on Kea's main thread.
 *
 * The service's thread must not touch Kea's lease manager: without multi-threading it takes no
 * lock. An eventfd among the sockets that the main loop watches wakes that loop within
 * microseconds. Kea receives no packet while we work, so the service says how long a slice may be, and
 * sees to it that the next one does not come at once.
 *
 * A row is read before it is written. The engine may have changed it meanwhile, in a packet's
 * thread: Kea's managers compare the expiration that was read and refuse, and the service tries
 * again.
 */
#include "shim/shim.h"

#include <cc/command_interpreter.h>
#include <database/database_connection.h>
#include <dhcp/iface_mgr.h>
#include <dhcpsrv/cfgmgr.h>
#include <dhcpsrv/lease_mgr.h>
#include <dhcpsrv/lease_mgr_factory.h>
#include <dhcpsrv/ncr_generator.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <sys/eventfd.h>
#include <unistd.h>

namespace failover {

using isc::asiolink::IOAddress;
using isc::dhcp::ClientId;
using isc::dhcp::ClientIdPtr;
using isc::dhcp::HWAddr;
using isc::dhcp::HWAddrPtr;
using isc::dhcp::Lease;
using isc::dhcp::Lease4;
using isc::dhcp::Lease4Ptr;
using isc::dhcp::LeaseMgrFactory;

namespace {

using Clock = std::chrono::steady_clock;
const size_t PAGE = 1000; /* rows read at a time in the walk */

int wake_fd = -1;

HWAddrPtr hardware_of(const fo_client &client)
{
    return HWAddrPtr(new HWAddr(client.hardware, client.hardware_length, client.hardware_type));
}

ClientIdPtr identifier_of(const fo_client &client)
{
    if (client.identifier == nullptr || client.identifier_length == 0) {
        return ClientIdPtr();
    }
    return ClientIdPtr(new ClientId(client.identifier, client.identifier_length));
}

uint32_t kea_state(fo_row_state state)
{
    switch (state) {
    case FO_ROW_DECLINED:
        return Lease::STATE_DECLINED;
    case FO_ROW_RECLAIMED:
        return Lease::STATE_EXPIRED_RECLAIMED;
    default:
        return Lease::STATE_DEFAULT;
    }
}

/* A database server keeps no time after this; a row that is to end later ends then. */
uint32_t kept_length(const fo_row &row)
{
    const uint32_t last = isc::db::DatabaseConnection::MAX_DB_TIME;
    if (row.length == Lease::INFINITY_LFT || LeaseMgrFactory::instance().getType() == "memfile") {
        return row.length;
    }
    return row.cltt >= last ? 0 : std::min(row.length, last - row.cltt);
}

Lease4Ptr new_lease(const fo_row &row)
{
    const uint32_t length = kept_length(row);
    Lease4Ptr lease;
    if (row.state == FO_ROW_DECLINED) {
        /* As Kea declines: the client is forgotten, for it does not hold the address. */
        lease.reset(new Lease4(IOAddress(row.address), HWAddrPtr(new HWAddr()), ClientIdPtr(),
                               length, row.cltt, row.subnet_id));
    } else {
        lease.reset(new Lease4(IOAddress(row.address), hardware_of(row.client),
                               identifier_of(row.client), length, row.cltt, row.subnet_id));
    }
    lease->state_ = kea_state(row.state);
    return lease;
}

bool same_client(const Lease4 &one, const Lease4 &other)
{
    if (one.client_id_ || other.client_id_) {
        return one.client_id_ && other.client_id_ && *one.client_id_ == *other.client_id_;
    }
    return one.hwaddr_ && other.hwaddr_ && *one.hwaddr_ == *other.hwaddr_;
}

#ifdef FO_KEA_POOL_STATISTICS
void note_pool(Lease4 &lease)
{
    const auto subnet =
        isc::dhcp::CfgMgr::instance().getCurrentCfg()->getCfgSubnets4()->getBySubnetId(
            lease.subnet_id_);
    const auto pool = subnet ? subnet->getPool(Lease::TYPE_V4, lease.addr_, false) : nullptr;
    lease.pool_id_ = pool ? pool->getID() : 0;
}
#else
void note_pool(Lease4 &) {}
#endif

/* Where the table is told nothing of it, a client's row keeps what it says beside client and times. */
void keep_details(const Lease4 &before, Lease4 &after)
{
    after.hostname_ = before.hostname_;
    after.fqdn_fwd_ = before.fqdn_fwd_;
    after.fqdn_rev_ = before.fqdn_rev_;
    keep_relay(before, after);
}

/* Writes the row. */
void put(const fo_row &row)
{
    isc::dhcp::LeaseMgr &leases = LeaseMgrFactory::instance();
    const Lease4Ptr before = leases.getLease4(IOAddress(row.address));
    const Lease4Ptr after = new_lease(row);
    note_pool(*after);
    if (before && row.displaces) {
        remove_names(before);
    } else if (before && row.state == FO_ROW_LEASED && same_client(*before, *after)) {
        keep_details(*before, *after);
        after->setContext(before->getContext());
    }
    write_details(row.details, *after);
    if (!before) {
        if (!leases.addLease(after)) {
            isc_throw(isc::Unexpected, "a row for the address appeared meanwhile");
        }
        count_row(before, after);
        return;
    }
    Lease::syncCurrentExpirationTime(*before, *after);
    leases.updateLease4(after);
    count_row(before, after);
}

/* Does one job and reports it. The found lease outlives the report that points into it. */
void work_on(fo_service *to, const fo_row &row)
{
    fo_row found;
    Lease4Ptr lease;
    bool asked = false;
    std::string failure;
    try {
        switch (row.job) {
        case FO_ROW_PUT:
            put(row);
            break;
        case FO_ROW_DELETE:
            if (row.details.forward || row.details.reverse) {
                lease = new_lease(row);
                write_details(row.details, *lease);
                remove_names(lease);
            }
            remove_row(row.address, row.displaces);
            break;
        case FO_ROW_READ:
            lease = LeaseMgrFactory::instance().getLease4(IOAddress(row.address));
            memset(&found, 0, sizeof found);
            found.address = row.address;
            found.subnet_id = row.subnet_id;
            found.state = FO_ROW_ABSENT;
            if (lease) {
                describe_row(*lease, found);
            }
            found.job = FO_ROW_READ;
            found.serial = row.serial;
            asked = true;
            break;
        }
    } catch (const std::exception &error) {
        failure = *error.what() != '\0' ? error.what() : "unknown error";
        asked = false;
    }
    fo_rows_done(to, &row, asked ? &found : nullptr, failure.empty() ? nullptr : failure.c_str());
}

/* Works for a slice. What is left then, the service wakes us for again. */
void work_on_rows()
{
    if (service() == nullptr || !LeaseMgrFactory::haveInstance()) {
        return;
    }
    const Clock::time_point begin = Clock::now();
    Clock::duration taken(0);
    const std::chrono::microseconds slice(fo_rows_slice(service()));
    fo_row row;
    bool any = false;
    while (taken < slice && fo_rows_next(service(), &row)) {
        any = true;
        work_on(service(), row);
        taken = Clock::now() - begin;
    }
    add_counts();
    if (any) {
        const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(taken);
        fo_rows_slice_over(service(), static_cast<uint32_t>(microseconds.count()));
    }
}

void woken(int)
{
    uint64_t count;
    if (read(wake_fd, &count, sizeof count) < 0 && errno != EAGAIN) {
        log(FAILOVER_INTERNAL_ERROR, {"wake-up", strerror(errno)});
    }
    main_loop_runs();
    if (loaded()) {
        get_in_step();
        guarded("lease rows", work_on_rows);
    }
    guarded("pulse", give_pulse);
}

} // namespace

void remove_names(const Lease4Ptr &lease)
{
    isc::dhcp::queueNCR(isc::dhcp_ddns::CHG_REMOVE, lease);
}

void remove_row(uint32_t address, bool with_names)
{
    isc::dhcp::LeaseMgr &leases = LeaseMgrFactory::instance();
    const Lease4Ptr before = leases.getLease4(IOAddress(address));
    if (!before) {
        return;
    }
    if (with_names) {
        remove_names(before);
    }
    if (!leases.deleteLease(before)) {
        isc_throw(isc::Unexpected, "the row changed while it was being deleted");
    }
    count_row(before, Lease4Ptr());
}

/* ------------------------------------------------------------------ waking the main thread */

bool open_wake(std::string &error)
{
    if (wake_fd < 0) {
        wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (wake_fd < 0) {
        error = std::string("eventfd: ") + strerror(errno);
    }
    return wake_fd >= 0;
}

void close_wake()
{
    if (wake_fd >= 0) {
        close(wake_fd);
        wake_fd = -1;
    }
}

void watch_wake()
{
    isc::dhcp::IfaceMgr::instance().addExternalSocket(wake_fd, woken);
}

void unwatch_wake()
{
    if (wake_fd >= 0) {
        isc::dhcp::IfaceMgr::instance().deleteExternalSocket(wake_fd);
    }
}

extern "C" void failover_wake_rows(void *)
{
    const uint64_t one = 1;
    /* The counter is full only if a wake-up is pending already. */
    if (write(wake_fd, &one, sizeof one) < 0) {
        return;
    }
}

/* ------------------------------------------------------------------ all rows */

static fo_row_state state_of(const Lease4 &lease)
{
    if (lease.state_ == Lease::STATE_DECLINED) {
        return FO_ROW_DECLINED;
    }
    const bool leased = lease.state_ == Lease::STATE_DEFAULT && !is_released(lease);
    return leased ? FO_ROW_LEASED : FO_ROW_RECLAIMED;
}

void describe_row(const Lease4 &lease, fo_row &row)
{
    memset(&row, 0, sizeof row);
    row.state = state_of(lease);
    row.address = number(lease.addr_);
    row.subnet_id = lease.subnet_id_;
    row.cltt = static_cast<uint32_t>(lease.cltt_);
    row.length = lease.valid_lft_;
    describe_client(lease.hwaddr_, lease.client_id_ ? &lease.client_id_->getClientId() : nullptr,
                    row.client);
    read_details(lease, row.bytes, row.details);
}

namespace {

uint32_t number_in(const isc::data::ConstElementPtr &arguments, const char *key)
{
    const auto value = arguments->get(key);
    return value ? static_cast<uint32_t>(value->intValue()) : 0;
}

} // namespace

bool is_lease_command(const std::string &command)
{
    return command == "lease4-add" || command == "lease4-update" || command == "lease4-del" ||
           command == "lease4-wipe";
}

void lease_command(isc::hooks::CalloutHandle &handle, const std::string &command)
{
    isc::data::ConstElementPtr arguments, response;
    int result = 0;
    handle.getArgument("arguments", arguments);
    handle.getArgument("response", response);
    isc::config::parseAnswer(result, response);
    if (service() == nullptr || result != isc::config::CONTROL_RESULT_SUCCESS) {
        return; /* nothing was changed */
    }
    const bool map = arguments && arguments->getType() == isc::data::Element::map;
    const auto address = map ? arguments->get("ip-address") : isc::data::ConstElementPtr();
    if (address) {
        fo_row_commanded(service(), number(IOAddress(address->stringValue())), command.c_str(),
                         command == "lease4-del");
    } else { /* of a whole subnet, or of a client by its identifier */
        fo_rows_commanded(service(), map ? number_in(arguments, "subnet-id") : 0, command.c_str());
    }
}

void reconcile_rows()
{
    const isc::dhcp::LeaseMgr &leases = LeaseMgrFactory::instance();
    const isc::dhcp::LeasePageSize page_size(PAGE);
    IOAddress last = IOAddress::IPV4_ZERO_ADDRESS();
    fo_row row;
    fo_reconcile_begin(service());
    for (;;) {
        const isc::dhcp::Lease4Collection page = leases.getLeases4(last, page_size);
        for (const Lease4Ptr &lease : page) {
            if (governed(lease->subnet_id_)) {
                describe_row(*lease, row);
                fo_reconcile_row(service(), &row);
            }
        }
        if (page.size() < PAGE) {
            break;
        }
        last = page.back()->addr_;
    }
    if (!fo_reconcile_end(service())) {
        isc_throw(isc::Unexpected, "out of memory: Kea's leases could not be compared with the failover bindings");
    }
}

} // namespace failover
