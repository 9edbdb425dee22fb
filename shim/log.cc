/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The operator's messages through Kea's logging. The texts of hook/messages.def are handed to Kea's
 * dictionary, which takes pairs of identifier and text; the logger is configured like any other of
 * Kea's, under the name kea-dhcp4.failover-hooks.
 */
#include "shim/shim.h"

#include <log/message_initializer.h>

namespace failover {

/* Never destroyed: at the end of the process, our thread may be the last to say something. */
isc::log::Logger &logger = *new isc::log::Logger("failover-hooks");

namespace {

/* Kea's dictionary is filled from here when the library is loaded. */
const char *dictionary_texts[2 * FAILOVER_MESSAGE_COUNT + 1];

const char **fill_dictionary()
{
    for (size_t i = 0; i < FAILOVER_MESSAGE_COUNT; i++) {
        dictionary_texts[2 * i] = fo_log_texts[i].name;
        dictionary_texts[2 * i + 1] = fo_log_texts[i].text;
    }
    dictionary_texts[2 * FAILOVER_MESSAGE_COUNT] = nullptr;
    return dictionary_texts;
}

const isc::log::MessageInitializer dictionary(fill_dictionary());

/* Kea's usual level for what happens to single packets. */
const int DEBUG_LEVEL = 40;

isc::log::Logger::Formatter formatter(fo_log_id id)
{
    const fo_log_text &text = fo_log_texts[id];
    switch (text.severity) {
    case FO_LOG_DEBUG:
        return logger.debug(DEBUG_LEVEL, text.name);
    case FO_LOG_INFO:
        return logger.info(text.name);
    case FO_LOG_WARN:
        return logger.warn(text.name);
    case FO_LOG_ERROR:
        break;
    }
    return logger.error(text.name);
}

/* Texts of partners and clients must not make lines of their own in the log. */
std::string on_one_line(std::string text)
{
    for (char &letter : text) {
        const unsigned char byte = static_cast<unsigned char>(letter);
        letter = byte < ' ' || byte == 0x7f ? '?' : letter;
    }
    return text;
}

} // namespace

bool debug_wanted()
{
    return logger.isDebugEnabled(DEBUG_LEVEL);
}

void log(fo_log_id id, std::initializer_list<std::string> arguments) noexcept
{
    try {
        isc::log::Logger::Formatter line = formatter(id);
        for (const std::string &argument : arguments) {
            line.arg(on_one_line(argument));
        }
    } catch (...) {
        /* There is nowhere left to complain. */
    }
}

extern "C" void failover_log(void *, fo_log_id id, const char *const arguments[])
{
    try {
        if (id >= FAILOVER_MESSAGE_COUNT) {
            return;
        }
        isc::log::Logger::Formatter line = formatter(id);
        for (size_t i = 0; arguments != nullptr && arguments[i] != nullptr; i++) {
            line.arg(on_one_line(arguments[i]));
        }
    } catch (...) {
    }
}

} // namespace failover
