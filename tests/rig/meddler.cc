/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A hook library that gets in the way of the one under test, beside which it is loaded. The file that
 * its parameter `orders` names says, at each packet, what it does now:
 *
 *   drop       the answer of a REQUEST, after Kea has written the lease (leases4_committed)
 *   drop-late  the same in pkt4_send, after the library under test
 *   keep       parks it in leases4_committed, until the next packet comes
 *   prevent    RELEASE and DECLINE
 */
#include <dhcp/dhcp4.h>
#include <dhcp/pkt4.h>
#include <hooks/hooks.h>
#include <hooks/parking_lots.h>

#include <fstream>
#include <mutex>
#include <string>
#include <vector>

using isc::dhcp::Pkt4Ptr;
using isc::hooks::CalloutHandle;

namespace {

std::string orders;
std::mutex mutex;
std::vector<std::pair<isc::hooks::ParkingLotHandlePtr, Pkt4Ptr>> kept;

bool told(const char *what)
{
    std::ifstream file(orders);
    std::string word;
    return std::getline(file, word) && word == what;
}

Pkt4Ptr query_of(CalloutHandle &handle)
{
    Pkt4Ptr query;
    handle.getArgument("query4", query);
    return query;
}

} // namespace

extern "C" {

#define PUBLIC __attribute__((visibility("default")))

PUBLIC int version()
{
    return KEA_HOOKS_VERSION;
}

PUBLIC int multi_threading_compatible()
{
    return 1;
}

PUBLIC int load(isc::hooks::LibraryHandle &handle)
{
    const auto parameter = handle.getParameter("orders");
    if (!parameter) {
        return 1;
    }
    orders = parameter->stringValue();
    return 0;
}

PUBLIC int buffer4_receive(CalloutHandle &)
{
    std::vector<std::pair<isc::hooks::ParkingLotHandlePtr, Pkt4Ptr>> ready;
    {
        const std::lock_guard<std::mutex> lock(mutex);
        ready.swap(kept);
    }
    for (const auto &one : ready) {
        one.first->unpark(one.second);
    }
    return 0;
}

PUBLIC int leases4_committed(CalloutHandle &handle)
{
    const Pkt4Ptr query = query_of(handle);
    if (query->getType() != isc::dhcp::DHCPREQUEST) {
        return 0;
    }
    if (told("drop")) {
        handle.setStatus(CalloutHandle::NEXT_STEP_DROP);
    } else if (told("keep")) {
        const auto lot = handle.getParkingLotHandlePtr();
        lot->reference(query);
        const std::lock_guard<std::mutex> lock(mutex);
        kept.emplace_back(lot, query);
        handle.setStatus(CalloutHandle::NEXT_STEP_PARK);
    }
    return 0;
}

PUBLIC int pkt4_send(CalloutHandle &handle)
{
    if (query_of(handle)->getType() == isc::dhcp::DHCPREQUEST && told("drop-late")) {
        handle.setStatus(CalloutHandle::NEXT_STEP_DROP);
    }
    return 0;
}

PUBLIC int lease4_release(CalloutHandle &handle)
{
    if (told("prevent")) {
        handle.setStatus(CalloutHandle::NEXT_STEP_SKIP);
    }
    return 0;
}

PUBLIC int lease4_decline(CalloutHandle &handle)
{
    return lease4_release(handle);
}

} // extern "C"
