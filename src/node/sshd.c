#include "node/sshd.h"

void sshd_render(const char *state, const char *folder, struct text *t)
{
    text_add(t, "# Made by broch-ssh from the configuration, anew at each start.\n");
    text_addf(t, "HostKey %s/" SSHD_HOST_KEY_NAME "\n", state);
    /* Outside of the home folder: what admin writes there opens no door. */
    text_addf(t, "AuthorizedKeysFile %s/" SSHD_AUTHORIZED_NAME "\n", folder);
    text_addf(t, "PidFile %s/sshd.pid\n", folder); /* made when it listens: that is "ready" */
    text_add(t, "AllowUsers admin\n"
                "PermitRootLogin no\n"
                "AuthenticationMethods publickey\n"
                "PasswordAuthentication no\n"
                "KbdInteractiveAuthentication no\n"
                /* PAM opens the session (limits, the message of the day); it asks no password. A
                 * locked password, as in a production image, is no locked account to it. */
                "UsePAM yes\n"
                "PrintMotd no\n"
                "X11Forwarding no\n"
                "AllowAgentForwarding no\n"
                "PermitTunnel no\n"
                "PermitUserEnvironment no\n"
                "AcceptEnv LANG LC_* COLORTERM NO_COLOR\n"
                "UseDNS no\n"
                "LoginGraceTime 30\n"
                "MaxAuthTries 3\n"
                "ClientAliveInterval 60\n"
                "ClientAliveCountMax 3\n"
                "Subsystem sftp internal-sftp\n");
}

void sshd_render_keys(const struct config_admin *admin, struct text *t)
{
    for (size_t i = 0; i < admin->ssh_keys.count; i++)
        text_addf(t, "%s\n", admin->ssh_keys.items[i]);
}
