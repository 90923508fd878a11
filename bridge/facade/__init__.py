"""The doors: SFTP and FTP over the same mailbox folders, with one set of rules.

access, bans         who may come in
tree                 what a path means and what may be done with it
uploads              how a file comes in, whole or not at all
events               what goes on, told to whoever keeps the books
sftp, ssh, sftp_server, sftp_wire, hostkeys     the SFTP door
ftp, ftp_handler, ftp_transfer                  the FTP door
listening            how both take their port
"""
