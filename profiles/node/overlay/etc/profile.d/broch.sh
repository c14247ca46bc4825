# Debian keeps /usr/sbin out of a plain user's PATH, and doas looks its command up there.
case ":$PATH:" in
*:/usr/sbin:*) ;;
*) PATH="$PATH:/usr/local/sbin:/usr/sbin" ;;
esac
