"""The doors: SFTP and FTP over the same mailbox folders, with one set of rules.

access, bans                              who may come in
clients, algorithms                       with which programs, and what these can and need
tree, folders, on_disk                    what a path means and what may be done with it
uploads, room, handles                    how a file comes in, whole or not at all; quotas, limits
events                                    what goes on, told to whoever keeps the books
sftp, ssh, ssh_login, hostkeys            the SFTP door: connections and logins
turns                                     one thread for all its connections
ssh_transport, ssh_packets, sftp_stream   how its bytes flow, never waiting for a client
sftp_server, sftp_wire                    what is asked, and answered
ftp, ftp_handler, ftp_login               the FTP door: connections and logins
ftp_verbs, ftp_files, ftp_names           what is asked, and answered
ftp_transfer, ftp_tls, tls_socket         its data connections, and TLS
listening                                 how both take their port
"""
