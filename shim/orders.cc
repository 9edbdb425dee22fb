/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Commands by which an operator tells a relationship something:
 *
 *   failover-partner-down       {"relationship": "a-b", "down-since": 1700000000, "force": false,
 *                                "dry-run": false}
 *   failover-shutdown           {"relationship": "a-b", "dry-run": false}
 *   failover-maintenance-start  the same
 *   failover-maintenance-cancel the same
 *
 * The name may be left out where there is one relationship. down-since is in seconds since 1970;
 * without it the partner counts as down from now on. And what all commands of the library have in
 * common, those that only ask (commands.cc) included.
 */
#include "shim/shim.h"

#include <cc/command_interpreter.h>

#include <limits>

namespace failover {

using isc::config::createAnswer;
using isc::data::ConstElementPtr;
using isc::data::Element;
using isc::hooks::CalloutHandle;

int answer_command(CalloutHandle &handle, const char *name,
                   ConstElementPtr (*answer)(const ConstElementPtr &arguments)) noexcept
{
    const bool answered = guarded(name, [&handle, answer] {
        ConstElementPtr response;
        try {
            ConstElementPtr command, arguments;
            handle.getArgument("command", command);
            isc::config::parseCommand(arguments, command);
            if (arguments && arguments->getType() != Element::map) {
                refuse("'arguments' must be a map");
            }
            response = answer(arguments);
        } catch (const std::exception &error) {
            response = createAnswer(isc::config::CONTROL_RESULT_ERROR, error.what());
        }
        handle.setArgument("response", response);
    });
    return answered ? 0 : 1;
}

namespace {

using PartnerDown = struct fo_partner_down_order;
using Leave = struct fo_leave_order;

[[noreturn]] void refuse_argument(const std::string &key, const std::string &right)
{
    refuse("'" + key + "' " + right);
}

bool truth(const std::string &key, const ConstElementPtr &value)
{
    if (value->getType() != Element::boolean) {
        refuse_argument(key, "must be true or false");
    }
    return value->boolValue();
}

/* What all orders have; false: it is something else. `name` owns what order.relationship points to. */
template <typename Order>
bool take_common(const std::string &key, const ConstElementPtr &value, std::string &name,
                 Order &order)
{
    if (key == "relationship") {
        if (value->getType() != Element::string) {
            refuse_argument(key, "must be the name of a relationship");
        }
        name = value->stringValue();
        order.relationship = name.c_str();
    } else if (key == "dry-run") {
        order.dry_run = truth(key, value);
    } else {
        return false;
    }
    return true;
}

void take_partner_down(const std::string &key, const ConstElementPtr &value, PartnerDown &order)
{
    if (key == "down-since") {
        if (value->getType() != Element::integer || value->intValue() <= 0 ||
            value->intValue() >= std::numeric_limits<uint32_t>::max()) {
            refuse_argument(key, "must be a time in seconds since 1970");
        }
        order.has_since = true;
        order.since = static_cast<uint32_t>(value->intValue());
    } else if (key == "force") {
        order.force = truth(key, value);
    } else {
        refuse_argument(key, "is not an argument of failover-partner-down: they are relationship, "
                             "down-since, force and dry-run");
    }
}

/* Gives the order to the service. */
template <typename Order>
ConstElementPtr give(Order &order, bool (*to)(fo_service *, const Order *, char *, size_t))
{
    char text[512];
    if (service() == nullptr) {
        refuse("the failover service does not run");
    }
    const bool done = to(service(), &order, text, sizeof text);
    return createAnswer(done ? isc::config::CONTROL_RESULT_SUCCESS
                             : isc::config::CONTROL_RESULT_ERROR,
                        text);
}

ConstElementPtr partner_down(const ConstElementPtr &arguments)
{
    PartnerDown order{};
    std::string name;
    if (arguments) {
        for (const auto &entry : arguments->mapValue()) {
            if (!take_common(entry.first, entry.second, name, order)) {
                take_partner_down(entry.first, entry.second, order);
            }
        }
    }
    return give(order, fo_partner_down);
}

ConstElementPtr leave(const ConstElementPtr &arguments, bool maintenance,
                      bool (*to)(fo_service *, const Leave *, char *, size_t))
{
    Leave order{};
    std::string name;
    order.maintenance = maintenance;
    if (arguments) {
        for (const auto &entry : arguments->mapValue()) {
            if (!take_common(entry.first, entry.second, name, order)) {
                refuse_argument(entry.first, "is not an argument of this command: they are "
                                             "relationship and dry-run");
            }
        }
    }
    return give(order, to);
}

extern "C" int failover_partner_down(CalloutHandle &handle)
{
    return answer_command(handle, "failover-partner-down", partner_down);
}

extern "C" int failover_shutdown(CalloutHandle &handle)
{
    return answer_command(handle, "failover-shutdown", [](const ConstElementPtr &arguments) {
        return leave(arguments, false, fo_leave);
    });
}

extern "C" int failover_maintenance_start(CalloutHandle &handle)
{
    return answer_command(handle, "failover-maintenance-start",
                          [](const ConstElementPtr &arguments) {
                              return leave(arguments, true, fo_leave);
                          });
}

extern "C" int failover_maintenance_cancel(CalloutHandle &handle)
{
    return answer_command(handle, "failover-maintenance-cancel",
                          [](const ConstElementPtr &arguments) {
                              return leave(arguments, true, fo_come_back);
                          });
}

} // namespace

void register_orders(isc::hooks::LibraryHandle &handle)
{
    handle.registerCommandCallout("failover-partner-down", failover_partner_down);
    handle.registerCommandCallout("failover-shutdown", failover_shutdown);
    handle.registerCommandCallout("failover-maintenance-start", failover_maintenance_start);
    handle.registerCommandCallout("failover-maintenance-cancel", failover_maintenance_cancel);
}

} // namespace failover
